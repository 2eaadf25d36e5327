package receive

import (
	"context"
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// capacity limits what all requests of a Handler use together.
type capacity struct {
	*inFlight          // for their bodies
	small, large *lane // for the work on them: ordinary callbacks do not wait behind large ones
}

// smallBody is the maximum size of an ordinary callback.
const smallBody = 16 << 10

// work is the memory that a callback holds in a lane beside its body; the zero value holds none.
type work struct {
	lane  *lane
	bytes int64
}

// begin begins work in the lane of a callback. Call its end afterwards.
func (c *capacity) begin(ctx context.Context, body, events int, authenticated bool) (work, error) {
	begun := work{c.laneOf(body * events), int64(body) * int64(workFactor+recordFactor*(events-1))}
	if err := begun.lane.begin(ctx, begun.bytes, authenticated); err != nil {
		return work{}, err
	}
	return begun, nil
}

func (w work) end() {
	if w.lane != nil {
		w.lane.end(w.bytes)
	}
}

func (c *capacity) laneOf(bytes int) *lane {
	if bytes <= smallBody {
		return c.small
	}
	return c.large
}

// unansweredFor is how long NATS may keep a message that it has not answered, such as an embedded server whose disk hangs.
const unansweredFor = time.Minute

// linger counts the memory of a callback's unacknowledged messages while NATS may still hold them.
func (c *capacity) linger(body, events int) {
	lane, bytes := c.laneOf(body*events), int64(body)*int64(2*events)
	lane.add(bytes)
	time.AfterFunc(unansweredFor, func() { lane.end(bytes) })
}

// defaultInFlightBytes is the default of Handler.MaxInFlightBytes.
const defaultInFlightBytes = 256 << 20

func (h *Handler) capacity() *capacity {
	most := h.MaxInFlightBytes
	if most <= 0 {
		most = defaultInFlightBytes
	}
	bodies := &inFlight{
		maxRequests: h.MaxInFlight, maxBytes: most, unfinished: map[*reservation]struct{}{},
		hit:  func(limit string) { h.Metrics.limitHits.WithLabelValues(limit).Inc() },
		stop: func(answer http.ResponseWriter) { _ = http.NewResponseController(answer).SetReadDeadline(time.Now()) },
	}
	return &capacity{
		inFlight: bodies,
		small:    &lane{maxBytes: most / 8}, large: &lane{maxBytes: most},
	}
}

// The memory of a callback beside its body while it is processed, as a multiple of the body: decoded, redacted, as an event, as a
// message, and in NATS. Thirty concurrent callbacks of a megabyte used 2.6 to 4 times their bodies, and text in which JSON escapes every
// byte 9.5 times.
const (
	workFactor   = 8
	recordFactor = 4 // for each further event with the whole callback: the event and the message
)

// wholeEvents returns how many events with the whole callback Accept makes per record. The changes of a batch share its body out among
// them, so that only the further records of a change count.
func wholeEvents(changes []ingest.Change) int {
	n := 1
	for _, change := range changes {
		n += max(1, len(change.IDs)) - 1
	}
	return n
}
