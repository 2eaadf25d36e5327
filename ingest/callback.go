// Package ingest defines what a CRM's package and the bridge share: Callback, Change, Source, Watcher, Lister, Drainer, Store.
// It knows neither HTTP servers nor CloudEvents nor NATS.
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
	From     netip.Addr        // the sender, behind trusted proxies; the zero value if unknown
	Method   string            // HTTP method
	Host     string            // the host that the request was sent to, as its sender wrote it
	Path     string            // path of the request, without its query
	Header   http.Header       // as received
	Query    url.Values        // parameters of the URL
	RawQuery string            // the URL's query, verbatim
	URI      string            // path and query as the sender wrote them, for signatures; behind a PublicURL's scheme and host it is the URL
	Params   map[string]string // values of the route's path parameters, such as {module}
	Body     []byte            // at most the handler's limit
	Parsed   *Parsed           // for ParseOnce; nil: nothing is remembered
	Org      string            // CRM.Org of the org that it is of, once it is authenticated
	Account  string            // CRM.AccountOf it, for the copy in quarantine
}

// Parsed remembers what was parsed of a callback.
type Parsed struct {
	of    []byte // the body
	value any
	err   error
}

// Forget frees what was parsed; the next ParseOnce parses again.
func (p *Parsed) Forget() {
	if p != nil {
		*p = Parsed{}
	}
}

// Change is one thing that happened in a CRM, as a callback reports it, in the vocabulary of all CRMs.
type Change struct {
	Source     string    // label of the source that decoded it; names the family of the event's schema
	Provider   string    // the CRM's name: "acme"
	Account    string    // whose data it is: an org's name in our configuration, or its id in the CRM
	Org        string    // CRM.Org of the org that it is of; empty: the first
	Channel    string    // id of the subscription; empty if there is none
	Module     string    // as the CRM's API writes it: "Deals", "Sales_Orders"
	Operation  string    // "create", "edit", "delete", or the CRM's own word in camelCase
	IDs        []string  // record ids, verbatim
	Collection string    // URI of the collection in the CRM; becomes the event's source
	OccurredAt time.Time // the CRM's own time; zero if it gave none
	ReceivedAt time.Time // arrival, UTC
	Origin     Origin

	Fields map[string][]string        // by record id: names of the changed fields; nil if unknown
	Values map[string]json.RawMessage // by record id: a JSON object of values; nil if unknown

	Previous  map[string]json.RawMessage // by record id: a JSON object of the old values of changed fields; nil if unknown
	ChangedBy string                     // the CRM's id of who changed it; empty if unknown

	NativeOperation string          // the CRM's own word for the operation
	NativeBody      json.RawMessage // the callback's body as JSON, with its secrets
	NativeQuery     json.RawMessage // parameters of the URL that are not in the body; nil if there are none
	NativeXML       json.RawMessage // an XML body as JSON, if that loses nothing; else nil

	// Secrets are credentials of this callback that cannot be recognised by a member's name, such as its channel's derived token. Those
	// that are shaped like a token are masked wherever they occur.
	Secrets []string

	// Divided are top-level members of NativeBody and NativeQuery with a part for each record: a list of record ids, a list of objects
	// with a record_id, or objects whose members are named by record ids. An event of one record keeps only its own part.
	Divided []string

	// Mark is the CRM's own distinction of this change from an equal-looking one, such as a counter.
	// Empty: there is none, and each delivery is an event of its own.
	Mark string

	// GivenID is the event's id if the delivery already has one: a redriven callback's id in quarantine, so that redriving it again adds
	// no second event. Empty otherwise.
	GivenID string

	// Alone is a body that Decode takes, of this change alone, if the callback is a batch: a change that cannot become an event is then
	// quarantined without the others. Nil: the change is all of the callback.
	Alone []byte

	TraceParent string // W3C traceparent of the request; empty if it had none
}

// Origin says how a change reached us.
type Origin string

// The origins of changes.
const (
	Live     Origin = "live"     // by a callback
	Backfill Origin = "backfill" // read from the CRM's API on request
	Repair   Origin = "repair"   // read from the CRM's API to close a gap
)

// Ack says where an event is stored. The sender of a callback gets it in a 200.
type Ack struct {
	ID        string `json:"id"`                  // the event's id
	Subject   string `json:"subject"`             // NATS subject, such as "crm.acme.Deals.edit"
	Stream    string `json:"stream"`              // JetStream stream that holds it
	Sequence  uint64 `json:"sequence"`            // its sequence in that stream
	Duplicate bool   `json:"duplicate,omitempty"` // the stream already held an event of this id
}

// Accept stores changes: it returns when each of them would survive a power cut, with at least one Ack per change, in order. Its errors
// wrap one of the fates.
type Accept func(ctx context.Context, changes []Change) ([]Ack, error)

// Quarantine stores an authenticated callback that could not be parsed, with its secrets masked. It returns the callback's id in
// quarantine, when the copy would survive a power cut.
type Quarantine func(ctx context.Context, cb Callback, reason error) (id string, err error)
