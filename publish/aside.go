package publish

import (
	"context"
	"errors"
	"time"
)

// The waits before messages that are set aside for a stream of the remote are retried, doubling from the first to the second.
const (
	asideWaitFirst = 2 * time.Second
	asideWaitLast  = 5 * time.Minute
)

var errRetryAside = errors.New("messages that are set aside are retried")

// waitsAside reports whether a failed message is set aside so that those of other streams need not wait for it: its stream is
// unusable, rejects it, or was missing twice although it was ensured in between.
func (r *run) waitsAside(p passing, err error) bool {
	if errors.As(err, new(streamError)) {
		return true
	}
	if !r.streams[p.stream].Beside || code(err) == 0 && !gone(err) {
		return false
	}
	again := r.failed == p.sequence
	r.failed = p.sequence
	return again || !Temporary(err)
}

// bringBack returns to the journal what was set aside for streams that are usable now.
func (r *run) bringBack(ctx context.Context) {
	for _, stream := range r.streams {
		if stream.Unusable != nil {
			r.retryAside()
		}
	}
	if r.noneAside {
		return
	}
	waits, err := r.Refused.bringBack(ctx, r.streams)
	if err != nil {
		r.Log.Warn("messages stay set aside: they cannot be returned to the journal", "error", err)
	}
	if r.noneAside = !waits; waits {
		r.retryAside()
	}
}

// retryAside notes that messages are or may be set aside, and ends the run after a wait, so that the next run ensures the streams and
// brings back what waits for them.
func (r *run) retryAside() {
	r.noneAside = false
	if r.again != nil {
		return
	}
	r.asideWait = min(max(2*r.asideWait, asideWaitFirst), asideWaitLast)
	r.again = time.AfterFunc(r.asideWait, func() { r.end(errRetryAside) })
}
