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

// What a callback holds beside its body while it is worked on, as a multiple of the body: decoded, redacted, as an event, as
// a message, and in NATS on its way to the store. Thirty callbacks of a megabyte at once held 2.6 to 4 times their bodies
// beside them, and text in which JSON escapes every byte 9.5 times.
const (
	workFactor   = 8
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
