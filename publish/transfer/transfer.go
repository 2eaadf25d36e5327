// Package transfer copies the streams of a bridge, and what is kept beside them, from one NATS to another: resumable, without gaps or
// duplicates, and compared at the end.
// Nothing here knows of CRMs, HTTP, the environment, or which of the servers is embedded.
package transfer

import (
	"errors"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Stream is a stream to copy, as it should be on the target.
type Stream struct {
	Config publish.StreamConfig
	// Keep has each message keep its sequence: others refer to it. Otherwise the target numbers the messages, and a header says which
	// sequence each had.
	Keep bool
}

// Copy copies streams from one server to another. Set the fields once.
//
// The target's stream is itself the position: each message is accepted only directly behind the one before it. So a copy that is killed
// at any moment resumes without a gap or a duplicate, and two copies at once cannot mix.
type Copy struct {
	From, To *publish.Conn
	Note     *Note // of the target, claimed
	// Gap is the subject of messages that take the place of missing ones until the end of a run, in streams that keep their sequences.
	Gap string
	// Append copies behind what others have stored in the target's streams. Sequences are not kept then.
	Append bool
	// Expire has messages leave the target when they would have left it if it had taken them first.
	Expire bool
	// Patience is how long either server may be unreachable.
	Patience time.Duration

	Show     func(what string, done, all uint64) // what is copied or compared; nil: nothing is shown
	Retrying func(error)                         // called with what failed and is retried; nil: nothing is
}

// Part is how far the copy of a stream is.
type Part struct {
	Stream   string `json:"stream"`
	Messages uint64 `json:"messages"`          // that the source holds
	Bytes    uint64 `json:"bytes"`             // that they take there
	First    uint64 `json:"firstSequence"`     // of the source
	Last     uint64 `json:"lastSequence"`      // of the source
	Copied   uint64 `json:"copied"`            // in this run
	Left     uint64 `json:"left"`              // messages of the source that are not on the target
	Outside  uint64 `json:"outside,omitempty"` // messages on subjects that the target's stream does not have: they are not copied
	Ahead    bool   `json:"ahead,omitempty"`   // the copy was complete before, and others have written to the target since
	Own      bool   `json:"own,omitempty"`     // nothing is copied, because the target keeps states of its own

	Digest  string `json:"digest,omitempty"`  // SHA-256 over the compared messages
	Equal   uint64 `json:"equal"`             // messages that are the same on both sides
	Removed uint64 `json:"removed,omitempty"` // from the target, because they have left the source
	Expired uint64 `json:"expired,omitempty"` // messages of the source that are too old for the target
	Extra   uint64 `json:"extra,omitempty"`   // messages that have left the source and not the target
	Gone    uint64 `json:"gone,omitempty"`    // messages of the source that have left the target since the copy was complete
}

// ErrOthers says that a stream of the target holds messages that are not copies.
var ErrOthers = errors.New("it holds messages that crm-bridge copy did not write")

// errLost is an error after which the copy of a stream resumes at the position that the target has then.
type errLost struct{ error }

// Unwrap returns the cause.
func (e errLost) Unwrap() error { return e.error }
