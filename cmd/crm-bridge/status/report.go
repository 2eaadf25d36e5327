// Package status is what an operator asks of a running bridge: is it well, and what needs a person? It holds the report, judges it, and
// shows it on a terminal. Nothing here knows of HTTP servers or flags.
package status

import (
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// Report is how a bridge is at a moment. It holds no secrets and no customers' data.
type Report struct {
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	Started time.Time `json:"started"` // counts are since then
	// Problems need a person, the most urgent first. Empty: the bridge is well. MoreProblems says how many are not listed.
	Problems     []Problem `json:"problems"`
	MoreProblems int       `json:"moreProblems,omitempty"`

	Ready      bool   `json:"ready"`
	Reason     string `json:"reason,omitempty"` // why callbacks should go elsewhere now
	Durability string `json:"durability"`       // what a 200 guarantees, in a sentence
	Stream     string `json:"stream"`
	Remote     string `json:"remote,omitempty"` // with a journal: Forwarding, or why nothing is forwarded
	// Warnings are journals elsewhere whose events are not forwarded.
	Warnings []string `json:"warnings,omitempty"`

	Rates    []Rate    `json:"rates"`    // of the last hour, one a minute, oldest first
	Sources  []Source  `json:"sources"`  // of all callbacks, by label
	Channels []Channel `json:"channels"` // at most MaxListed; those with a problem first
	Gaps     []Gap     `json:"gaps"`     // at most MaxListed; open ones first, then the lately closed, newest first
	// MoreChannels and MoreGaps say how many are not listed.
	MoreChannels int `json:"moreChannels,omitempty"`
	MoreGaps     int `json:"moreGaps,omitempty"`

	Journal    *Journal `json:"journal,omitempty"` // nil: there is none
	Quarantine *Stream  `json:"quarantine,omitempty"`
	Refused    *Stream  `json:"refused,omitempty"` // what the remote NATS rejected permanently; nil: there is no journal
	Streams    []Stream `json:"streams"`           // all of the bridge, those above included
	Records    []Record `json:"records"`           // modules whose records are kept
	// Consumers are those of others, with what they gave up on; those that did first. Dead is what each gave up on that did, also of consumers
	// that are not listed. Both have at most MaxListed; MoreConsumers and MoreDead say how many are not listed.
	Consumers     []consumers.Consumer `json:"consumers"`
	MoreConsumers int                  `json:"moreConsumers,omitempty"`
	Dead          []consumers.Count    `json:"dead,omitempty"`
	MoreDead      int                  `json:"moreDead,omitempty"`

	Certificates []Certificate `json:"certificates,omitempty"`
	Disk         *Disk         `json:"disk,omitempty"`   // of the data folder; nil: there is none
	Clocks       []Clock       `json:"clocks,omitempty"` // of CRMs, as far as their answers showed them

	// Unknown says what could not be asked, and why: the rest of the report is true all the same.
	Unknown []string `json:"unknown,omitempty"`
}

// MaxListed bounds each list of a report that may grow. What needs a person is found before a list is cut.
const MaxListed = 500

// Forwarding is the Remote of a journal that is forwarded.
const Forwarding = "forwarding"

// Problem needs a person.
type Problem struct {
	What  string `json:"what"`  // a sentence
	Where string `json:"where"` // the part of the bridge that it is about, such as a source, a channel or a stream
	Fix   string `json:"fix"`   // a command to run, a variable to set, or what else to do
}

// Rate is what came of the callbacks of a minute.
type Rate struct {
	At       time.Time `json:"at"`                   // the end of the minute
	Accepted float64   `json:"accepted"`             // a second
	Rejected float64   `json:"rejected"`             // a second: all that were not answered with 200
	P50      *float64  `json:"p50Seconds,omitempty"` // from a callback's first byte to its answer; nil: none came
	P99      *float64  `json:"p99Seconds,omitempty"`
}

// Source is what came of the callbacks of a source since the start.
type Source struct {
	Label    string `json:"source"`
	Provider string `json:"provider"`
	Secret   bool   `json:"secret"` // it has one, of any org; without it it rejects everything
	// Orgs are the names of further orgs that have no secret for it.
	Orgs         []string          `json:"orgsWithoutSecret,omitempty"`
	LastCallback *time.Time        `json:"lastCallback,omitempty"` // that was authenticated
	Outcomes     map[string]uint64 `json:"outcomes"`               // how many callbacks, by the outcomes of crm_bridge_callbacks_total
	// Forged is how many callbacks in a row were not authenticated, since the last one that was.
	Forged     uint64      `json:"forgedInARow,omitempty"`
	Rejections []Rejection `json:"rejections,omitempty"` // the last of each outcome, newest first
}

// Rejection is a callback that was not accepted.
type Rejection struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	Status  int       `json:"status"`
	Why     string    `json:"why"` // in a few fixed words; the log says more
}

// Channel is a subscription in a CRM, as the command channels lists it.
type Channel struct {
	ingest.Channel
	LastCallback *time.Time `json:"lastCallback,omitempty"` // of its modules, that this replica took since its start
	LastRepair   *time.Time `json:"lastRepair,omitempty"`
}

// The states of a Gap.
const (
	GapWaiting  = "waiting"  // it will be read from the CRM
	GapFailing  = "failing"  // reading it failed, and is tried again
	GapRepaired = "repaired" // what changed in it was read from the CRM
	GapLost     = "lost"     // nothing can read it from the CRM
)

// Gap is a span in which changes of modules may not have been reported.
type Gap struct {
	Provider string     `json:"provider"`
	Account  string     `json:"account"`
	Modules  []string   `json:"modules"`
	Since    time.Time  `json:"since"`
	Until    time.Time  `json:"until"`
	Noted    time.Time  `json:"noted"`
	Cause    string     `json:"cause"` // why callbacks were missed
	State    string     `json:"state"`
	Closed   *time.Time `json:"closed,omitempty"`  // when it was repaired, or given up
	Records  int        `json:"records"`           // read from the CRM so far
	Problem  string     `json:"problem,omitempty"` // why it is failing or lost
}

// Journal is what waits for the remote NATS.
type Journal struct {
	Stream
	Pending *uint64    `json:"pending,omitempty"` // messages that the remote has not acknowledged; nil: not known
	Waits   *time.Time `json:"waits,omitempty"`   // since when the oldest of them waits
}

// Stream is how full a stream is.
type Stream struct {
	Name     string     `json:"name"`
	Messages uint64     `json:"messages"`
	Bytes    uint64     `json:"bytes"`
	Limit    int64      `json:"limit"`              // bytes; at most 0: none
	Variable string     `json:"variable,omitempty"` // sets the limit
	Oldest   *time.Time `json:"oldest,omitempty"`   // when the oldest message was stored
	Full     string     `json:"full"`               // what happens at the limit: FullDrops or FullRejects
	Foreign  bool       `json:"foreign,omitempty"`  // the bridge did not make it, and does not change it
	// Differences are those of a foreign stream from what the bridge would have made.
	Differences []string `json:"differences,omitempty"`
	Unknown     string   `json:"unknown,omitempty"` // why it could not be asked; the figures are zero then
}

// What happens at the limit of a stream.
const (
	FullDrops   = "the oldest are dropped"
	FullRejects = "new ones are rejected"
)

// Record is a module of an account whose records are kept.
type Record struct {
	Provider string     `json:"provider"`
	Account  string     `json:"account,omitempty"` // empty: no event of the module has come yet
	Module   string     `json:"module"`
	Kept     uint64     `json:"kept"`                  // states that were stored since the start
	Lag      float64    `json:"lagSeconds"`            // how long the oldest event has waited for its records
	Paused   *time.Time `json:"pausedUntil,omitempty"` // when the CRM's API is asked again
	Problem  string     `json:"problem,omitempty"`     // why it is paused
}

// Certificate is one that the bridge serves.
type Certificate struct {
	Variable string     `json:"variable"`
	Expires  *time.Time `json:"expires,omitempty"`
	Problem  string     `json:"problem,omitempty"` // why it cannot be read
}

// Disk is how full the disk of the data folder is.
type Disk struct {
	Folder string `json:"folder"`
	Free   int64  `json:"free"`  // bytes
	Total  int64  `json:"total"` // bytes
}

// Clock is a CRM's clock.
type Clock struct {
	Provider string  `json:"provider"`
	Account  string  `json:"account"`
	Ahead    float64 `json:"aheadSeconds"` // of ours; negative: behind
}
