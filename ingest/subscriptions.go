package ingest

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Watcher keeps subscriptions of the CRM alive.
type Watcher interface {
	// Watch subscribes to everything that is configured, renews subscriptions after two thirds of their life, and returns their
	// state. Failures are in the error, joined; the rest was done all the same. It is called again at Watched.Next or earlier,
	// by one replica at a time.
	//
	// Each span that no subscription may have covered is passed to note, which returns when the gap is stored. A gap that could
	// not be noted stays in state until the next Watch, in whatever process; a gap may be noted twice.
	Watch(ctx context.Context, state State, note func(Gap) error) (Watched, error)
}

// Watched is the state of subscriptions.
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
	Expires  time.Time `json:"expires,omitzero"` // as the CRM gave it; zero: it never expires, or is not active
	Granted  time.Time `json:"granted,omitzero"` // when the CRM gave Expires; zero: unknown
	Queued   bool      `json:"queued,omitempty"` // the CRM keeps changes while nobody reads them
	Problem  string    `json:"problem,omitempty"`
}

// Gap is a span in which changes of a module may not have been reported: from Since up to, and without, Until.
type Gap struct {
	Account, Module string
	Since, Until    time.Time
}

// Lister reads from the CRM's API what changed.
type Lister interface {
	// Changed yields what changed in a span, in pages that fit in memory. It ends at the first error. The Cursor of a page leads
	// to the next one, also in another process, for as long as the CRM accepts it.
	Changed(ctx context.Context, q Query) iter.Seq2[Page, error]
}

// Query says what to list.
type Query struct {
	Account      string // empty: all that are configured
	Module       string
	Since, Until time.Time // from Since up to, and without, Until
	Origin       Origin    // Backfill or Repair
	Cursor       string    // of the last page that was made safe; empty: from the beginning
}

// WholeSeconds returns the query with its span widened to whole seconds, for a CRM that has no finer times.
func (q Query) WholeSeconds() Query {
	q.Since = q.Since.UTC().Truncate(time.Second)
	if whole := q.Until.UTC().Truncate(time.Second); whole.Before(q.Until) {
		q.Until = whole.Add(time.Second)
	} else {
		q.Until = whole
	}
	return q
}

// Contains reports whether a time is in the span; zero is in none, and a bound that is zero bounds nothing.
func (q Query) Contains(at time.Time) bool {
	return !at.IsZero() && !at.Before(q.Since) && (q.Until.IsZero() || at.Before(q.Until))
}

// Lists reports whether the answer holds a record that was created and last modified at these times, as which operation, and when that
// happened. A record shows only its last change: a backfill misses an edit in the span if a later one followed it. A repair lists such a
// record with the later time, since that change was reported live and this one was not. A record that was created in the span is always
// listed.
func (q Query) Lists(created, modified time.Time) (operation string, at time.Time, ok bool) {
	later := !modified.IsZero() && !q.Until.IsZero() && !modified.Before(q.Until)
	switch made := q.Contains(created); {
	case made && later:
		return "create", created, true
	case made:
		return "create", modified, true
	case q.Contains(modified), later && q.Origin == Repair && created.Before(q.Until):
		return "edit", modified, true
	}
	return "", time.Time{}, false
}

// Page is a part of what changed.
type Page struct {
	Changes []Change
	Cursor  string
	Total   int // records in total; 0: unknown
}

// Drainer empties a queue that the CRM keeps.
type Drainer interface {
	// Drain passes what waits to accept, and removes it from the queue only when it is safe. It returns when the queue is empty. What the
	// queue has lost is passed to note, as by Watch.
	Drain(ctx context.Context, state State, accept Accept, note func(Gap) error) error
}

// State is what the replicas of a bridge share.
type State struct {
	Shared Store // no secrets: whoever may read the bucket can read it
	Secret Store // encrypted; without a key in this process alone
}

// Store keeps small values, each with a revision that grows with every change of it.
type Store interface {
	// Load returns a value and its revision; nil and 0 where there is none.
	Load(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Save stores a value if its revision is still the given one (0: there is none), and returns the new one. Otherwise the
	// error is ErrConflict.
	Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
}

// Errors of a Lister that another attempt does not fix.
var (
	ErrNoList = errors.New("cannot be listed")           // the CRM has no list of that module
	ErrCursor = errors.New("the cursor is not accepted") // start without one
)

// ErrConflict says that a value has changed since it was loaded.
var ErrConflict = errors.New("changed by somebody else")
