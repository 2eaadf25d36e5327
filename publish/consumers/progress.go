package consumers

import (
	"slices"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Progress is how far a consumer is with a message of its stream.
type Progress string

// How far a consumer can be.
const (
	Unread   Progress = "left out"  // its subjects leave the message out
	Ahead    Progress = "to come"   // it was not sent yet
	InFlight Progress = "in flight" // it was sent, and it or an older one is not acknowledged
	Past     Progress = "past"      // it and all before it are acknowledged, or were skipped
	Sent     Progress = "sent"      // to a consumer that acknowledges nothing
)

// Progress returns how far the consumer is with a message of its stream, as far as its position says.
func (c Consumer) Progress(m publish.Stored) Progress {
	reads := func(filter string) bool { return publish.Matches(filter, m.Subject) }
	switch {
	case len(c.Subjects) > 0 && !slices.ContainsFunc(c.Subjects, reads):
		return Unread
	case c.Delivered.Sequence < m.Sequence:
		return Ahead
	case c.AckPolicy == "none":
		return Sent
	case c.AckPending > 0 && c.AckFloor.Sequence < m.Sequence:
		return InFlight
	}
	return Past
}
