package config

import (
	"strings"
	"testing"
)

// The defaults of what may be held follow the limits of memory and of open files.
func TestLimits(t *testing.T) {
	const mebi = 1 << 20
	for _, test := range []struct {
		name        string
		set         Settings
		memory      int64
		files       int
		bytes       int64
		connections int
		readers     int
	}{
		{"nothing is limited", Settings{}, 0, 0, 256 * mebi, 8192, 1024},
		{"a small container", Settings{}, 256 * mebi, 1 << 20, 64 * mebi, 2048, 256},
		{"the chart's", Settings{}, 512 * mebi, 1 << 20, 128 * mebi, 4096, 512},
		{"a large one", Settings{}, 8192 * mebi, 1 << 20, 256 * mebi, 8192, 1024},
		{"few files", Settings{}, 0, 1024, 256 * mebi, 768, 64},
		{"very few files", Settings{}, 0, 256, 256 * mebi, 128, 16},
		{"both set", Settings{MaxInFlightBytes: 5 * mebi, MaxConnections: 700}, 64 * mebi, 1024, 5 * mebi, 700, 64},
	} {
		m := MemoryLimit{Limit: test.memory}
		connections, err := test.set.Connections(m, test.files)
		if bytes := test.set.InFlightBytes(m); err != nil || bytes != test.bytes || connections != test.connections {
			t.Errorf("%s: %d bytes, %d connections: %v", test.name, bytes, connections, err)
		}
		if readers, err := test.set.Readers(m, test.files); err != nil || readers != test.readers {
			t.Errorf("%s: %d readers: %v", test.name, readers, err)
		}
	}
	for limit, want := range map[int64]int64{0: 256 * mebi, 512 * mebi: 128 * mebi, 8192 * mebi: 256 * mebi} {
		if unread := (MemoryLimit{Limit: limit}).UnreadBytes(); unread != want {
			t.Errorf("%d bytes wait for readers, where memory is limited to %d", unread, limit)
		}
	}
	for limit, want := range map[int64]int{0: 300_000, 64 * mebi: 52_428, 512 * mebi: 419_430, 8192 * mebi: 1_000_000} {
		if ids := (MemoryLimit{Limit: limit}).IDs(); ids != want {
			t.Errorf("%d ids in the duplicates window, where memory is limited to %d", ids, limit)
		}
	}
	_, err := Settings{MaxConnections: 1000}.Connections(MemoryLimit{}, 1024)
	if err == nil || !strings.Contains(err.Error(), "BRIDGE_MAX_CONNECTIONS must be at most 768") {
		t.Errorf("more connections than files: %v", err)
	}
}

// Some connections are left to those that come: only they can have a slow one cut.
func TestRequestsAtOnce(t *testing.T) {
	for _, test := range []struct{ set, connections, want int }{{2048, 8192, 2048}, {2048, 2048, 1536}, {2048, 16, 12}, {5, 16, 5}, {2048, 2, 1}, {2048, 1, 1}} {
		if got := (Settings{MaxInFlight: test.set}).RequestsAtOnce(test.connections); got != test.want {
			t.Errorf("%d on %d connections: %d", test.set, test.connections, got)
		}
	}
}

// A crowd of callbacks holds their bodies and as much again: bodies may take three eighths of the memory at most.
func TestInFlightBytesFitTheMemory(t *testing.T) {
	limited := MemoryLimit{256 << 20, "the control group"}
	for _, test := range []struct {
		set    Size
		memory MemoryLimit
		fits   bool
	}{
		{0, limited, true}, {96 << 20, limited, true}, {96<<20 + 1, limited, false}, {1 << 40, MemoryLimit{}, true},
	} {
		err := Settings{MaxInFlightBytes: test.set}.CheckInFlightBytes(test.memory)
		if (err == nil) != test.fits {
			t.Errorf("%s within %s: %v", test.set, Size(test.memory.Limit), err)
		}
	}
}
