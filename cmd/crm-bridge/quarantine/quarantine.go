// Package quarantine is what an operator sees and does of callbacks in quarantine, and of events that a remote NATS rejected permanently:
// what the admin address answers, commands print and the console shows.
package quarantine

import (
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Refused is the source of what the remote NATS rejected.
const Refused = "refused"

// Listed is a quarantined callback in a list: all but its body.
type Listed struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`            // Refused where the remote NATS rejected it
	Subject    string    `json:"subject,omitempty"` // of what was rejected
	Reason     string    `json:"reason"`
	ReceivedAt time.Time `json:"receivedAt,omitzero"`
	Bytes      int       `json:"bytes"`
	Account    string    `json:"account,omitempty"` // whose data it is, where that is known
}

// Kept is a quarantined callback, or a rejected event, whole.
type Kept struct {
	Listed
	Request     string // method, path and parameters of the callback, without its secrets; empty: it is an event
	ContentType string
	Body        []byte // of the callback, without its secrets; or the event in JSON
}

// Redriven is what became of a quarantined callback that was decoded again.
type Redriven struct {
	ID     string       `json:"id"`
	Events []ingest.Ack `json:"events,omitempty"` // with a dry run only their subjects
	DryRun bool         `json:"dryRun,omitempty"`
	Error  string       `json:"error,omitempty"` // it is still in quarantine
}

// Dropped is a quarantined callback that was removed.
type Dropped struct {
	ID    string `json:"id"`
	Error string `json:"error,omitempty"` // it is still in quarantine
}

// Selection says which of those that wait are meant.
type Selection struct {
	ID      string // this one alone; empty: all that the rest says
	Source  string // empty: of all sources, but not Refused
	Account string // empty: of all accounts
	After   uint64 // behind this sequence of their stream
	Upto    uint64 // and not behind this one; 0: without an end
}

// Refused reports whether rejected events are meant, not callbacks.
func (s Selection) Refused() bool { return s.Source == Refused }

// Has reports whether one of those behind After is meant.
func (s Selection) Has(one Listed) bool {
	return (s.Source == "" || s.Source == one.Source) && (s.Account == "" || s.Account == one.Account)
}

// Page is a part of what a Selection means, oldest first.
type Page[T any] struct {
	Lines []T
	Last  uint64 // sequence of the last one that was looked at
	Next  uint64 // the After of the next page; 0: this is the last one
}
