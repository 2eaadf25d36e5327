package main

import (
	"slices"
)

// subject is a receiver of callbacks that is measured.
type subject struct {
	name   string
	means  string   // what its answers wait for
	bridge bool     // a crm-bridge; else a server of this program, or the peer
	file   string   // of another build of the bridge, or of the peer; empty: what this program builds
	env    []string // of the bridge
	args   []string // of this program's server
	remote bool     // it has a NATS server in a process of its own
	off    bool     // measured only if it is named
}

// The names of the subjects that targets are about.
const (
	committed    = "commit"
	journaled    = "journal"
	direct       = "direct"
	floorNoSync  = "floor"
	floorGrouped = "durable floor"
	floorSynced  = "floor SyncAlways"
	peer         = "Bento"
)

// subjects are all receivers that can be measured, in the order of the tables.
var subjects = []subject{
	{name: committed, means: "one fsync for all waiting callbacks (the default)", bridge: true, env: []string{"BRIDGE_SYNC=commit"}},
	{name: "server", means: "an fsync for each event, by the NATS server", bridge: true, env: []string{"BRIDGE_SYNC=server"}},
	{name: "no sync", means: "the page cache", bridge: true, env: []string{"BRIDGE_SYNC=1h"}},
	{name: journaled, means: "one fsync for all waiting callbacks; a remote NATS server gets it afterwards", bridge: true, remote: true, env: []string{"BRIDGE_DELIVERY=journal"}},
	{name: direct, means: "a remote NATS server's acknowledgement, from its page cache", bridge: true, remote: true, env: []string{"BRIDGE_DELIVERY=direct"}},
	{name: floorNoSync, means: "the page cache", args: []string{"floor"}},
	{name: "floor over TCP", means: "the page cache; slower, with TCP between the floor and its NATS server", args: []string{"floor", "-tcp"}, off: true},
	{name: floorGrouped, means: "one fdatasync of the stream's block for all waiting callbacks", args: []string{"floor", "-durable"}},
	{name: floorSynced, means: "an fsync for each event, by the NATS server", args: []string{"floor", "-always"}},
}

// besideCommit returns another build of the bridge as a subject with the settings of commit.
func besideCommit(name, file string) subject {
	s := subjects[0]
	s.name, s.file, s.means = name, file, "the same as `"+committed+"`, in another build"
	return s
}

// peerAt returns the peer as a subject.
func peerAt(file string) subject {
	return subject{name: peer, file: file, remote: true, means: "a remote NATS server's acknowledgement, from its page cache"}
}

func usual() []subject {
	return slices.DeleteFunc(slices.Clone(subjects), func(s subject) bool { return s.off })
}

func namesOf(list []subject) []string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.name
	}
	return names
}
