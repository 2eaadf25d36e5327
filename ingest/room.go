package ingest

// room is what all requests of a Handler share.
type room struct {
	*held // with their bodies
	*work // beside them
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
		held: &held{maxRequests: h.MaxInFlight, maxBytes: most, hit: hit, unfinished: map[*share]struct{}{}},
		work: &work{maxBytes: most},
	}
}

// What a callback holds beside its body while it is worked on, as a multiple of the body. It was measured on callbacks of a
// megabyte: TestWorkFactor.
const (
	workFactor   = 8 // decoded, redacted, as an event, and as a message on its way to the store
	recordFactor = 4 // of these for each further event that holds the whole callback: the event and the message
)

// workBytes is what a callback may hold beside its body, if it makes so many events.
func workBytes(body, events int) int64 {
	return int64(body) * int64(workFactor+recordFactor*(events-1))
}

// records is how many records changes name.
func records(changes []Change) int {
	n := 0
	for _, change := range changes {
		n += max(1, len(change.IDs))
	}
	return n
}
