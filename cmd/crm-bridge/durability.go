package main

import (
	"fmt"
	"path/filepath"

	"github.com/crm-bridge/crm-bridge/publish"
)

// acknowledged begins what direct delivery means.
const acknowledged = "an answer means: acknowledged by the remote NATS, "

// describeDurability says what an answered callback survives, in one line. The stream is the one whose acknowledgement is
// waited for.
func (b *bridge) describeDurability(stream publish.Stream) string {
	every := b.settings.Sync.Every
	switch {
	case stream.Interest:
		return fmt.Sprintf("an answer means: acknowledged by %s", inWords(stream))
	case stream.Memory:
		return fmt.Sprintf("an answer means: in the memory of this machine, for stream %s is kept in memory; nothing survives the end of the bridge", stream.Name)
	case every > 0:
		return fmt.Sprintf("an answer means: in the page cache of this machine; it survives a crash of the bridge, but a power cut loses up to %s and may damage the stream (BRIDGE_SYNC=%s)", every, every)
	}
	how := "each event on its own"
	if b.groupCommit {
		how = "one sync for all that wait"
	}
	return fmt.Sprintf("an answer means: fsynced to %s on this machine (%s); it survives kill -9 and a power cut", filepath.Join(b.data.Path, "jetstream"), how)
}

// promises says what an answered callback survives now.
func (b *bridge) promises() string {
	switch remote := b.promise.Load(); {
	case b.upkeep != nil && remote == nil:
		return acknowledged + "which could not be asked yet"
	case b.upkeep != nil:
		return acknowledged + *remote
	case b.forwarder == nil:
		return b.durability
	}
	if remote := b.promise.Load(); remote != nil {
		return b.durability + "; then it goes on to the remote NATS, " + *remote
	}
	return b.durability + "; then it goes on to the remote NATS, which could not be asked yet"
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

// fragile warns of a remote stream that one server's end can take away.
func (b *bridge) fragile(stream publish.Stream) {
	switch {
	case stream.Memory && stream.Replicas > 1:
		b.warnOnce("the remote's stream is kept in memory: answered events are lost when all of its servers stop: " + inWords(stream))
	case stream.Memory:
		b.warnOnce("the remote's stream is kept in the memory of one server: answered events are lost when it stops: " + inWords(stream))
	case stream.Replicas < 2:
		b.warnOnce("the remote's stream has one replica: answered events are lost with the disk of that server: " + inWords(stream))
	}
}
