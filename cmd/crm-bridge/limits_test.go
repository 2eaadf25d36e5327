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
		readers     int
	}{
		{"nothing is limited", settings{}, 0, 0, 256 * mebi, 8192, 1024},
		{"a small container", settings{}, 256 * mebi, 1 << 20, 64 * mebi, 2048, 256},
		{"the chart's", settings{}, 512 * mebi, 1 << 20, 128 * mebi, 4096, 512},
		{"a large one", settings{}, 8192 * mebi, 1 << 20, 256 * mebi, 8192, 1024},
		{"few files", settings{}, 0, 1024, 256 * mebi, 768, 64},
		{"very few files", settings{}, 0, 256, 256 * mebi, 128, 16},
		{"both set", settings{MaxInFlightBytes: 5 * mebi, MaxConnections: 700}, 64 * mebi, 1024, 5 * mebi, 700, 64},
	} {
		m := memoryLimit{limit: test.memory}
		connections, err := test.set.connections(m, test.files)
		if bytes := test.set.inFlightBytes(m); err != nil || bytes != test.bytes || connections != test.connections {
			t.Errorf("%s: %d bytes, %d connections: %v", test.name, bytes, connections, err)
		}
		if readers, err := test.set.readers(m, test.files); err != nil || readers != test.readers {
			t.Errorf("%s: %d readers: %v", test.name, readers, err)
		}
	}
	for limit, want := range map[int64]int64{0: 256 * mebi, 512 * mebi: 128 * mebi, 8192 * mebi: 256 * mebi} {
		if unread := (memoryLimit{limit: limit}).unreadBytes(); unread != want {
			t.Errorf("%d bytes wait for readers, where memory is limited to %d", unread, limit)
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
