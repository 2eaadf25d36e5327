package store

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// Kind is what the messages of a stream are.
type Kind int

// The kinds of streams.
const (
	Mixed       Kind = iota // several of those below
	Events                  // below their own subjects
	Replays                 // events, below subjects of their jobs
	States                  // of records
	Callbacks               // in quarantine
	DeadLetters             // advisories of NATS, about messages that consumers gave up on
)

// Holding is a stream that may hold what a CRM had in a record.
type Holding struct {
	Stream string
	Kind   Kind
	Here   bool // on this machine, and only this process reaches it
	// Reach returns the connection to the server that has the stream, or why there is none now.
	Reach func() (*publish.Conn, error)
	// Erased returns when what was erased does not come back after a power cut; nil: the server's answer says so.
	Erased publish.Commit
	// Scrub overwrites the bytes of messages that names reports and that the stream has deleted before; nil: they are out of reach.
	Scrub func(ctx context.Context, names func(publish.Stored) bool) error
	// Settled returns when what was erased is not on its way to another stream any more; nil: nothing can be.
	Settled func(ctx context.Context) error
}

// beside returns the streams on the server that has the stream of events; erased syncs one of them, if it has to be.
func (c Config) beside(reach func() (*publish.Conn, error), erased func(stream string, kind Kind) publish.Commit) []Holding {
	all := []Holding{
		{Stream: c.Stream, Kind: Events}, {Stream: c.replayStream(), Kind: Replays}, {Stream: c.quarantineStream(), Kind: Callbacks}, {Stream: c.recordsStream(), Kind: States},
	}
	for i := range all {
		all[i].Reach, all[i].Erased = reach, erased(all[i].Stream, all[i].Kind)
	}
	return all
}

// holding returns the stream of what consumers gave up on, where there is one, whoever made it: consumers may have named a record in a
// reason.
func (l *letters) holding(ctx context.Context, erased func(stream string, kind Kind) publish.Commit) []Holding {
	if l.outOfReach(ctx) {
		return nil
	}
	return []Holding{{Stream: l.deadStream(), Reach: l.reach, Kind: DeadLetters, Erased: erased(l.deadStream(), DeadLetters)}}
}

// outOfReach reports whether the list is not kept because the user of the bridge may not ask for its stream.
func (l *letters) outOfReach(ctx context.Context) bool {
	conn, err := l.reach()
	if err != nil || l.why.Load() == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	_, err = conn.Standing(ctx, l.deadStream())
	return err != nil && conn.Up() == nil
}

// serverSays is of a remote NATS: its answer says that a message is erased.
func serverSays(string, Kind) publish.Commit { return nil }

// erased returns what syncs a stream of the embedded server after an erasure. The server syncs the file that it writes again, but never
// the folder, so this is needed whatever BRIDGE_SYNC is.
func (l *local) erased(stream string, kind Kind) publish.Commit {
	return func(ctx context.Context) error {
		if kind == States { // their subjects name records
			if err := disk.DropIndex(l.serves.Dir, stream); err != nil {
				return err
			}
		}
		if committer := l.committers[stream]; committer != nil {
			return committer.CommitAll(ctx)
		}
		return disk.SyncStream(l.serves.Dir, stream)
	}
}

// leftovers are the streams of the embedded server, beside those that are known, that the bridge made under another configuration.
func (l *local) leftovers(ctx context.Context, known []Holding) ([]Holding, error) {
	held, err := l.conn.Streams(ctx)
	if err != nil {
		return nil, err
	}
	var left []Holding
	for _, stream := range slices.Sorted(maps.Keys(held)) {
		if slices.ContainsFunc(known, func(one Holding) bool { return one.Stream == stream }) {
			continue
		}
		if standing, err := l.conn.Standing(ctx, stream); err != nil {
			return nil, err
		} else if standing != nil && standing.Own {
			kind := Mixed
			if strings.HasSuffix(stream, recordsSuffix) {
				kind = States
			}
			left = append(left, Holding{Stream: stream, Here: true, Reach: l.reach, Erased: l.erased(stream, kind)})
		}
	}
	return left, nil
}
