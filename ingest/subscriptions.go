package ingest

import (
	"context"
	"errors"
	"iter"
	"time"
)

// A Source may also keep its subscriptions alive, list what changed, or empty a queue that the CRM keeps. It then
// implements Watcher, Lister or Drainer too.

// Watcher keeps subscriptions of the CRM alive.
type Watcher interface {
	// Watch makes sure that everything wanted is subscribed, renews what has lived two thirds of its time, and returns how
	// things are. What failed is in the error, joined; the rest was done all the same. It is called again at Watched.Next,
	// or earlier, by one replica at a time.
	//
	// Each span that no subscription may have covered goes to note, which returns when the gap is stored. A gap that could not
	// be noted is remembered in state, and noted by the next Watch, in whatever process; one may be noted twice.
	Watch(ctx context.Context, state State, note func(Gap) error) (Watched, error)
}

// Watched is how the subscriptions of a source are.
type Watched struct {
	Next     time.Time // when to call Watch again
	Channels []Channel
}

// Channel is a subscription.
type Channel struct {
	Provider string    `json:"provider"`
	Account  string    `json:"account"`
	ID       string    `json:"channel"`
	Modules  []string  `json:"modules"`
	State    string    `json:"state"`            // "active", "lapsed", "refused", "disabled"
	Expires  time.Time `json:"expires,omitzero"` // as the CRM gave it; zero: an active one never expires, the others are not alive
	Queued   bool      `json:"queued,omitempty"` // the CRM keeps what happens while nobody listens
	Problem  string    `json:"problem,omitempty"`
}

// Gap is a span in which changes of a module may have gone unheard: from Since up to, and without, Until.
type Gap struct {
	Account, Module string
	Since, Until    time.Time
}

// Lister reads from the CRM's API what changed.
type Lister interface {
	// Changed yields what changed in a span, in pages that are small enough to hold. It ends at the first error. The
	// Cursor of a page leads to the page after it, also in another process, for as long as the CRM honours it.
	Changed(ctx context.Context, q Query) iter.Seq2[Page, error]
}

// Query says what Changed is to list.
type Query struct {
	Account      string // empty: all that are configured
	Module       string
	Since, Until time.Time // from Since up to, and without, Until
	Origin       Origin    // Backfill or Repair
	Cursor       string    // of the last page that was made safe; empty: from the beginning
}

// Page is a part of what changed.
type Page struct {
	Changes []Change
	Cursor  string
	Total   int // how many records there will be in all; 0 where the CRM does not say
}

// Drainer empties a queue that the CRM keeps.
type Drainer interface {
	// Drain hands what waits to accept, and takes it from the queue only when it is safe. It returns when the queue is empty.
	Drain(ctx context.Context, state State, accept Accept) error
}

// State is what is remembered from one call to the next, shared by the replicas of a bridge.
type State struct {
	Shared Store // anyone who may read the bucket reads it: no secrets
	Secret Store // encrypted; where there is no key, in this process alone
}

// Store keeps small values, each with a revision that grows with every change of it.
type Store interface {
	// Load returns a value and its revision; nil and 0 where there is none.
	Load(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Save stores a value if its revision is still the given one (0: there is none), and returns the new one. The error is
	// ErrConflict where somebody else was faster.
	Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
}

// Errors of a Lister that another attempt alone does not mend.
var (
	ErrNoList = errors.New("cannot be listed")           // the CRM has no list of that module
	ErrCursor = errors.New("the cursor is not honoured") // begin without one
)

// ErrConflict says that a value has changed since it was loaded.
var ErrConflict = errors.New("changed by somebody else")
