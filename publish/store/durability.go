package store

import (
	"fmt"
	"path/filepath"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

// acknowledged begins what a 200 guarantees with direct delivery.
const acknowledged = "a 200 guarantees: acknowledged by the remote NATS, "

// forwarded begins what follows with a journal.
const forwarded = "; it is then forwarded to the remote NATS, "

// describe returns what a 200 guarantees, in one line. The stream is the one whose acknowledgement is waited for.
func describe(stream publish.Stream, folder string, sync embedded.Sync) string {
	how := "group commit"
	switch {
	case stream.Interest:
		return fmt.Sprintf("a 200 guarantees: acknowledged by %s", inWords(stream))
	case stream.Memory:
		return fmt.Sprintf("a 200 guarantees: in the memory of this machine, for stream %s is kept in memory; nothing survives the end of the bridge", stream.Name)
	case sync.Every > 0:
		return fmt.Sprintf("a 200 guarantees: in the page cache of this machine; it survives a crash of the bridge, but a power cut loses up to %s and may damage the stream (BRIDGE_SYNC=%s)", sync.Every, sync.Every)
	case sync.Server:
		how = "each event on its own"
	}
	return fmt.Sprintf("a 200 guarantees: fsynced to %s on this machine (%s); it survives kill -9 and a power cut", filepath.Join(folder, "jetstream"), how)
}

func inWords(stream publish.Stream) string {
	text := fmt.Sprintf("stream %s, %d replica(s), %s storage", stream.Name, stream.Replicas, storage(stream))
	if stream.Interest {
		text += ", interest retention: without a consumer for its subject an event is acknowledged and not stored"
	}
	return text
}

func storage(stream publish.Stream) string {
	if stream.Memory {
		return "memory"
	}
	return "file"
}

// fragile warns of a remote stream that is lost with one server or its memory; empty: it is not.
func fragile(stream publish.Stream) string {
	switch {
	case stream.Memory && stream.Replicas > 1:
		return "the remote's stream is kept in memory: answered events are lost when all of its servers stop: " + inWords(stream)
	case stream.Memory:
		return "the remote's stream is kept in the memory of one server: answered events are lost when it stops: " + inWords(stream)
	case stream.Replicas < 2:
		return "the remote's stream has one replica: answered events are lost with the disk of that server: " + inWords(stream)
	}
	return ""
}
