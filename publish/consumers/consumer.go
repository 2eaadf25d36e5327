// Package consumers shows who reads the bridge's streams, pauses and resets them, and lists the messages that they gave up on.
// Nothing here knows of CRMs, HTTP, or how the bridge stores events.
package consumers

import (
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Consumer is a consumer of one of the bridge's streams, as the server describes it now.
type Consumer struct {
	Stream      string     `json:"stream"`
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Subjects    []string   `json:"subjects,omitempty"` // that it reads; none: all of the stream
	Durable     bool       `json:"durable"`            // it stays when nobody reads with it
	Own         bool       `json:"own"`                // it belongs to the bridge
	Created     time.Time  `json:"created"`
	PausedUntil *time.Time `json:"pausedUntil,omitempty"` // nil: it is not paused
	Lag         uint64     `json:"lag"`                   // messages that it has not been sent yet
	AckPending  int        `json:"ackPending"`            // sent, and not acknowledged
	Redelivered int        `json:"redelivered"`           // of those, sent more than once
	Waiting     int        `json:"waiting"`               // pull requests that wait for a message
	MaxDeliver  int        `json:"maxDeliver"`            // how often a message is sent at most; -1: without limit
	AckPolicy   string     `json:"ackPolicy"`             // explicit, all or none
	Delivered   Position   `json:"delivered"`             // the last message that it was sent
	AckFloor    Position   `json:"ackFloor"`              // all up to it are acknowledged; its time is that of the last acknowledgement
	Dead        uint64     `json:"dead"`                  // messages that it gave up on, as far as they are known
}

// Position is a place in a stream.
type Position struct {
	Sequence uint64     `json:"sequence"`
	At       *time.Time `json:"at,omitempty"` // when the consumer came there; nil: never, or before the server started
}

// DeadLetter is a message that a consumer gave up on.
type DeadLetter struct {
	Stream     string    `json:"stream"`
	Consumer   string    `json:"consumer"`
	Sequence   uint64    `json:"sequence"`
	Deliveries uint64    `json:"deliveries"`
	At         time.Time `json:"at"`
	Reason     string    `json:"reason"`            // "max deliveries", or "terminated" with what the consumer said
	Subject    string    `json:"subject,omitempty"` // empty: the stream no longer holds the message
	EventID    string    `json:"eventId,omitempty"` // likewise, or the message is not an event
	// ReplayedAt is when a replay re-delivered the message; nil: none has since the consumer gave up on it.
	ReplayedAt *time.Time `json:"replayedAt,omitempty"`
}

// consumerOf returns a consumer as the server describes it.
func consumerOf(info *jetstream.ConsumerInfo) Consumer {
	config := info.Config
	one := Consumer{
		Stream: info.Stream, Name: info.Name, Description: config.Description, Subjects: slices.Clone(config.FilterSubjects),
		Durable: config.Durable != "", Own: strings.HasPrefix(info.Name, publish.OwnConsumers), Created: info.Created,
		Lag: info.NumPending, AckPending: info.NumAckPending, Redelivered: info.NumRedelivered, Waiting: info.NumWaiting,
		MaxDeliver: config.MaxDeliver, AckPolicy: strings.ToLower(strings.TrimPrefix(config.AckPolicy.String(), "Ack")),
		Delivered: Position{info.Delivered.Stream, info.Delivered.Last}, AckFloor: Position{info.AckFloor.Stream, info.AckFloor.Last},
	}
	if config.FilterSubject != "" {
		one.Subjects = []string{config.FilterSubject}
	}
	if info.Paused && config.PauseUntil != nil {
		one.PausedUntil = config.PauseUntil
	}
	return one
}
