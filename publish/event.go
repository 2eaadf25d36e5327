package publish

import "github.com/cloudevents/sdk-go/v2/event"

// Event is a CloudEvent to publish.
type Event struct {
	event.Event
	Repeatable bool // a repeated callback has the same id
}

// Ack says where an event is stored.
type Ack struct {
	Subject   string
	Stream    string
	Sequence  uint64
	Duplicate bool // the stream already held an event of this id, at Sequence
}
