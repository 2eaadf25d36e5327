package publish

import (
	"context"

	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// Event is a CloudEvent to publish.
type Event struct {
	cloudevent.Event
	Repeatable bool // a repeated callback has the same id
}

// Ack says where an event is stored.
type Ack struct {
	Subject   string
	Stream    string
	Sequence  uint64
	Duplicate bool // the stream already held an event of this id, at Sequence
}

// Commit syncs what a stream has acknowledged to disk; nil: the acknowledgement already guarantees that it would survive a power cut.
type Commit func(ctx context.Context) error

// after calls c, unless what it should sync has failed with err.
func (c Commit) after(ctx context.Context, err error) error {
	if err != nil || c == nil {
		return err
	}
	return c(ctx)
}
