package publish

import (
	"context"
	"errors"
	"time"
)

// The waits until what is set aside for a stream of the remote is tried again, doubling from the first to the second.
const (
	lookFirst = 2 * time.Second
	lookLast  = 5 * time.Minute
)

var errLookAgain = errors.New("what is set aside is tried again")

// stepsAside reports whether a message makes way for those of other streams: its stream cannot be used, says no, or was
// missing twice although it was made sure of in between.
func (r *run) stepsAside(p passing, err error) bool {
	if errors.As(err, new(setback)) {
		return true
	}
	if !r.streams[p.msg.Header.Get(forStream)].Beside || code(err) == 0 && !gone(err) {
		return false
	}
	again := r.failed == p.sequence
	r.failed = p.sequence
	return again || !Temporary(err)
}

// bringBack returns to the journal what was set aside for streams that can be used now.
func (r *run) bringBack(ctx context.Context) {
	for _, stream := range r.streams {
		if stream.Unusable != nil {
			r.lookAgain()
		}
	}
	if r.served {
		return
	}
	waits, err := r.Refused.bringBack(ctx, r.Journal, r.streams)
	if err != nil {
		r.Log.Warn("what waits for a stream of the remote NATS stays set aside", "error", err)
	}
	if r.served = !waits; waits {
		r.lookAgain()
	}
}

// lookAgain notes that something is or may be set aside, and ends the run after a time, so that the next one makes sure of the streams, and brings back what waits for them.
func (r *run) lookAgain() {
	r.served = false
	if r.again != nil {
		return
	}
	r.lookIn = min(max(2*r.lookIn, lookFirst), lookLast)
	r.again = time.AfterFunc(r.lookIn, func() { r.end(errLookAgain) })
}
