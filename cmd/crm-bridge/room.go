package main

import (
	"fmt"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/publish"
)

// roomShare is how much of the storage a stream takes by default.
type roomShare struct {
	ofDisk    float64 // of the free disk
	atMost    int64   // whatever is free
	ofAccount float64 // of what the account of a remote NATS has left, where that has a limit
	remote    int64   // on a remote NATS whose limit is not known; 0: atMost
}

// The parts of the streams that stand on one disk come to four fifths of it at most: a fifth stays free.
var (
	eventsRoom     = roomShare{ofDisk: 0.6, atMost: 10 << 30, ofAccount: 0.6} // or the journal
	quarantineRoom = roomShare{ofDisk: 0.02, atMost: 256 << 20, ofAccount: 0.05, remote: 64 << 20}
	replayRoom     = roomShare{ofDisk: 0.08, atMost: 10 << 30, ofAccount: 0.25}
	stateRoom      = roomShare{ofDisk: 0.02, atMost: 64 << 20}
)

// leastDefault is what a stream on this machine takes at least.
const leastDefault = 1 << 20

// on returns how much a stream takes by default, on the disk of a folder or on a remote NATS.
func (stream roomShare) on(dir string, here bool) func() int64 {
	return func() int64 {
		switch {
		case here:
			return min(stream.atMost, max(int64(stream.ofDisk*float64(freeBytes(dir))), leastDefault))
		case stream.remote > 0:
			return stream.remote
		}
		return stream.atMost
	}
}

// warnOfDisk warns of a limit that the stream can never reach, for the disk is full before.
func (b *bridge) warnOfDisk(stream publish.Stream, variable string) {
	if warning := beyondDisk(stream, variable, freeBytes(b.data.Path), b.data.Path); warning != "" && !stream.Memory {
		b.warnOnce(warning)
	}
}

// beyondDisk is what is said of a stream whose limit is more than it holds and is free; empty: nothing.
func beyondDisk(stream publish.Stream, variable string, free int64, folder string) string {
	room := free + int64(stream.Bytes)
	if stream.MaxBytes <= room {
		return ""
	}
	return fmt.Sprintf("stream %s may grow to %s (%s), but the disk of %s has room for %s: it is full before the limit is reached; enlarge the disk, or set %s to less (with BRIDGE_STREAM_APPLY=true for one start)",
		stream.Name, config.Size(stream.MaxBytes), variable, folder, config.Size(room), variable)
}
