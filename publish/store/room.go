package store

import (
	"fmt"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Room is how much of the storage a stream takes by default.
type Room struct {
	ofDisk    float64 // of the free disk
	atMost    int64   // whatever is free
	remote    int64   // on a remote NATS whose limit is not known; 0: atMost
	OfAccount float64 // of what the account of a remote NATS has left, where that has a limit
}

// The parts of the streams that stand on one disk come to four fifths of it at most: a fifth stays free.
var (
	eventsRoom     = Room{ofDisk: 0.6, atMost: 10 << 30, OfAccount: 0.6} // or the journal
	quarantineRoom = Room{ofDisk: 0.02, atMost: 256 << 20, OfAccount: 0.05, remote: 64 << 20}
	stateRoom      = Room{ofDisk: 0.015, atMost: 64 << 20}
	lettersRoom    = Room{ofDisk: 0.005, atMost: 16 << 20, remote: 8 << 20}

	recordsRoom = Room{ofDisk: 0.08, atMost: 10 << 30, OfAccount: 0.1, remote: 1 << 30}

	// ReplayRoom is the part of events that are replayed to subjects.
	ReplayRoom = Room{ofDisk: 0.08, atMost: 10 << 30, OfAccount: 0.25}
)

// leastDefault is what a stream on this machine takes at least.
const leastDefault = 1 << 20

// On returns a function of how many bytes a stream takes by default, on the disk of a folder or on a remote NATS.
func (r Room) On(dir string, here bool) func() int64 {
	return func() int64 {
		switch {
		case here:
			return min(r.atMost, max(int64(r.ofDisk*float64(freeBytes(dir))), leastDefault))
		case r.remote > 0:
			return r.remote
		}
		return r.atMost
	}
}

// beyondDisk warns of a stream whose limit is more than it holds and is free: the disk is full before. Empty: it fits.
func beyondDisk(stream publish.Stream, variable string, free int64, folder string) string {
	room := free + int64(stream.Bytes)
	if stream.MaxBytes <= room {
		return ""
	}
	return fmt.Sprintf("stream %s may grow to %s (%s), but the disk of %s has room for %s: it is full before the limit is reached; enlarge the disk, or set %s to less (with BRIDGE_STREAM_APPLY=true for one start)",
		stream.Name, publish.RoundBytes(stream.MaxBytes), variable, folder, publish.RoundBytes(room), variable)
}
