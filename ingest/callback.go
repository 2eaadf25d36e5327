// Package ingest holds the words that a CRM and the bridge share: Callback, Change, Source, Watcher, Lister, Drainer, Store.
// Nothing here knows of HTTP servers, CloudEvents or NATS.
package ingest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Callback is one HTTP request of a CRM, its body read whole.
type Callback struct {
	Source   string            // label of the source whose route it came to, such as "acme-webhooks"
	At       time.Time         // arrival, UTC
	From     netip.Addr        // who sent it, behind trusted proxies; the zero value where that is not known
	Method   string            // HTTP method
	Path     string            // path of the request, without its query
	Header   http.Header       // as received
	Query    url.Values        // parameters of the URL, as Pairs reads them
	RawQuery string            // the URL behind its question mark, as it came
	Params   map[string]string // parts of the path that the route names, such as {module}
	Body     []byte            // at most the handler's limit
}

// Change is one thing that happened in a CRM: what a callback tells, in the words that all CRMs share.
type Change struct {
	Source     string    // label of the source that decoded it; names the family of the event's schema
	Provider   string    // the CRM's name: "acme"
	Account    string    // whose data it is: an org's name in our configuration, or its id in the CRM
	Channel    string    // id of the subscription; empty where there is none
	Module     string    // as the CRM's API writes it: "Deals", "Sales_Orders"
	Operation  string    // "create", "edit", "delete", or the CRM's own word in camelCase
	IDs        []string  // record ids, no digit changed
	Collection string    // URI of the collection in the CRM; becomes the event's source
	OccurredAt time.Time // the CRM's own time; zero where it gave none
	ReceivedAt time.Time // arrival, UTC
	Origin     Origin

	Fields map[string][]string        // by record id: names of the changed fields; nil where unknown
	Values map[string]json.RawMessage // by record id: a JSON object of values; nil where unknown

	NativeOperation string          // the CRM's own word for the operation
	NativeBody      json.RawMessage // the callback as it came, as JSON; secrets are still in it
	NativeQuery     json.RawMessage // parameters of the URL that do not stand in the body; nil where there are none
	NativeXML       json.RawMessage // an XML body as JSON, where that loses nothing; else nil

	// Secrets are credentials of this callback that no name in it gives away, such as its channel's derived token. Those that
	// are shaped like a token are masked wherever they stand.
	Secrets []string

	// Divided are members at the top level of NativeBody and NativeQuery that hold a part for each record: a list of record
	// ids, a list of objects that each name theirs as record_id, objects whose members are named by record ids. An event of one
	// record keeps its own part alone.
	Divided []string

	// Mark is what the CRM itself gives to tell this change from an equal-looking one, such as a counter.
	// Empty means that nothing does: each delivery is then an event of its own.
	Mark string

	// GivenID is the event's id where the delivery has had one before: a redriven callback's id in quarantine, so that
	// redriving it again adds no second event. Empty otherwise.
	GivenID string

	TraceParent string // W3C traceparent of the request; empty where it had none
}

// Origin says how a change reached us.
type Origin string

// The origins of changes.
const (
	Live     Origin = "live"     // by a callback
	Backfill Origin = "backfill" // read from the CRM's API because someone asked
	Repair   Origin = "repair"   // read from the CRM's API to close a gap
)

// Ack tells where an event is safe. It is what a caller of the bridge reads in a 200.
type Ack struct {
	ID        string `json:"id"`                  // the event's id
	Subject   string `json:"subject"`             // NATS subject, such as "crm.acme.Deals.edit"
	Stream    string `json:"stream"`              // JetStream stream that holds it
	Sequence  uint64 `json:"sequence"`            // its sequence in that stream
	Duplicate bool   `json:"duplicate,omitempty"` // the stream already held an event of this id
}

// Accept makes changes safe: it returns when each of them would survive a power cut, with at least one Ack a change,
// in order. Its errors wrap one of the fates. It is all that ingest knows of what follows.
type Accept func(ctx context.Context, changes []Change) ([]Ack, error)

// Quarantine keeps an authenticated callback that could not be parsed, its secrets masked, and returns the id that it is
// kept under. It returns when the copy would survive a power cut.
type Quarantine func(ctx context.Context, cb Callback, reason error) (id string, err error)
