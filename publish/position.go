package publish

import "slices"

// ConsumerPosition is where a consumer stands in its stream, as the server reports it.
type ConsumerPosition struct {
	Filters   []string // of subjects; empty: all
	Start     uint64   // the first sequence that it reads; 0: not known
	Delivered uint64   // the last sequence that it was sent
	AckFloor  uint64   // the sequence up to which it has acknowledged all
	Pending   int      // messages that were delivered and are not acknowledged
	NoAcks    bool     // it acknowledges nothing
}

// Progress is how far a consumer is with a message.
type Progress string

// What a consumer has done with a message.
const (
	NotSelected  Progress = "not selected"  // it does not read the subject, or begins behind the message
	NotDelivered Progress = "not delivered" // yet
	InFlight     Progress = "in flight"     // delivered; the server does not say whether this one of several is acknowledged
	Sent         Progress = "sent"          // to a consumer that acknowledges nothing
	Acknowledged Progress = "acknowledged"
)

// Of returns how far the consumer is with a message of the stream.
func (p ConsumerPosition) Of(subject string, sequence uint64) Progress {
	switch {
	case sequence < p.Start, len(p.Filters) > 0 && !slices.ContainsFunc(p.Filters, func(filter string) bool { return covers(filter, subject) }):
		return NotSelected
	case sequence > p.Delivered:
		return NotDelivered
	case p.NoAcks:
		return Sent
	case sequence <= p.AckFloor || p.Pending == 0:
		return Acknowledged
	}
	return InFlight
}
