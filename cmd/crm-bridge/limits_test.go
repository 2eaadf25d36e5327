package main

import (
	"strings"
	"testing"
)

// The defaults of what may be held follow the limits of memory and of open files.
func TestLimits(t *testing.T) {
	const mebi = 1 << 20
	for _, test := range []struct {
		name        string
		set         settings
		memory      int64
		files       int
		bytes       int64
		connections int
	}{
		{"nothing is limited", settings{}, 0, 0, 256 * mebi, 8192},
		{"a small container", settings{}, 256 * mebi, 1 << 20, 64 * mebi, 2048},
		{"the chart's", settings{}, 512 * mebi, 1 << 20, 128 * mebi, 4096},
		{"a large one", settings{}, 8192 * mebi, 1 << 20, 256 * mebi, 8192},
		{"few files", settings{}, 0, 1024, 256 * mebi, 768},
		{"very few files", settings{}, 0, 256, 256 * mebi, 128},
		{"both set", settings{MaxInFlightBytes: 5 * mebi, MaxConnections: 700}, 64 * mebi, 1024, 5 * mebi, 700},
	} {
		m := memoryLimit{limit: test.memory}
		connections, err := test.set.connections(m, test.files)
		if bytes := test.set.inFlightBytes(m); err != nil || bytes != test.bytes || connections != test.connections {
			t.Errorf("%s: %d bytes, %d connections: %v", test.name, bytes, connections, err)
		}
	}
	_, err := settings{MaxConnections: 1000}.connections(memoryLimit{}, 1024)
	if err == nil || !strings.Contains(err.Error(), "BRIDGE_MAX_CONNECTIONS must be at most 768") {
		t.Errorf("more connections than files: %v", err)
	}
}

// Some connections are left to those that come: only they can have a slow one cut.
func TestRequestsAtOnce(t *testing.T) {
	for _, test := range []struct{ set, connections, want int }{{2048, 8192, 2048}, {2048, 2048, 1536}, {2048, 16, 12}, {5, 16, 5}, {2048, 2, 1}, {2048, 1, 1}} {
		if got := (settings{MaxInFlight: test.set}).requestsAtOnce(test.connections); got != test.want {
			t.Errorf("%d on %d connections: %d", test.set, test.connections, got)
		}
	}
}
