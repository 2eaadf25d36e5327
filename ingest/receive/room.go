package receive

import (
	"context"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// room is what all requests of a Handler share.
type room struct {
	*held              // with their bodies
	small, large *work // beside them: ordinary callbacks do not wait behind large ones
}

// smallBody is up to which length a callback is an ordinary one.
const smallBody = 16 << 10

// begin is begin of the lane that a callback belongs to.
func (r *room) begin(ctx context.Context, body, events int, authenticated bool) (done func(), err error) {
	return r.lane(body*events).begin(ctx, int64(body)*int64(workFactor+recordFactor*(events-1)), authenticated)
}

func (r *room) lane(bytes int) *work {
	if bytes <= smallBody {
		return r.small
	}
	return r.large
}

// unansweredFor is how long a message may wait in NATS' client for its acknowledgement after its callback was given up.
const unansweredFor = time.Minute

// linger counts the messages of a callback that NATS did not acknowledge in time for as long as they may still be held.
func (r *room) linger(body, events int) {
	lane, bytes := r.lane(body*events), int64(body)*int64(2*events)
	lane.add(bytes)
	time.AfterFunc(unansweredFor, func() { lane.end(bytes) })
}

// defaultInFlightBytes is Handler.MaxInFlightBytes where it is not set.
const defaultInFlightBytes = 256 << 20

func (h *Handler) room() *room {
	most := h.MaxInFlightBytes
	if most <= 0 {
		most = defaultInFlightBytes
	}
	hit := func(limit string) { h.Metrics.limitHits.WithLabelValues(limit).Inc() }
	return &room{
		held:  &held{maxRequests: h.MaxInFlight, maxBytes: most, hit: hit, unfinished: map[*share]struct{}{}},
		small: &work{maxBytes: most / 8}, large: &work{maxBytes: most},
	}
}

// What a callback holds beside its body while it is worked on, as a multiple of the body: decoded, redacted, as an event, as
// a message, and in NATS on its way to the store. Thirty callbacks of a megabyte at once held 2.6 to 4 times their bodies
// beside them, and text in which JSON escapes every byte 9.5 times.
const (
	workFactor   = 8
	recordFactor = 4 // of these for each further event that holds the whole callback: the event and the message
)

// records is how many records changes name.
func records(changes []ingest.Change) int {
	n := 0
	for _, change := range changes {
		n += max(1, len(change.IDs))
	}
	return n
}
