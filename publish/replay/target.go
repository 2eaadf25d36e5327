package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Target takes the events of a replay, one after the other, and reports what has become of them. The Progress that it
// returns counts also beside an error.
type Target interface {
	// Begin is called before the first event, and again after a LostError, with where the job is: see Job.At and Job.Beside.
	Begin(ctx context.Context, at, beside uint64) error
	// Deliver takes an event, and does not wait before it sends it. The error is NotEventError for a message that it cannot
	// deliver; what else it has not done when it returns is done when Flush does.
	Deliver(ctx context.Context, m publish.Stored) (Report, error)
	// Skip notes a message that is not delivered, in its place among the others.
	Skip(ctx context.Context, sequence uint64, counts Tally) (Report, error)
	// Flush returns when all that was delivered is safe.
	Flush(ctx context.Context) (Report, error)
	// Sync brings what was reported to the disk.
	Sync(ctx context.Context) error
}

// Report is what a target has done since it last reported.
type Report struct {
	At      uint64         // the sequence up to which all is done; 0: nothing more than before
	Beside  uint64         // see Job.Beside; 0: the same as before
	Counts  Tally          // of what is done
	Skipped []RefusedError // events that the target rejected, and that are left out
	Save    bool           // save the job before the next event: the target cannot list what it has taken
}

// done is the progress of a target that is done with each message when it returns.
func done(sequence uint64, counts Tally) Report { return Report{At: sequence, Counts: counts} }

// immediate is the part of a Target that is done with each message when it returns.
type immediate struct{}

// Begin implements Target.
func (immediate) Begin(context.Context, uint64, uint64) error { return nil }

// Skip implements Target.
func (immediate) Skip(_ context.Context, sequence uint64, counts Tally) (Report, error) {
	return done(sequence, counts), nil
}

// Flush implements Target.
func (immediate) Flush(context.Context) (Report, error) { return Report{}, nil }

// Sync implements Target.
func (immediate) Sync(context.Context) error { return nil }

// Tally counts what became of messages.
type Tally struct {
	Read       uint64 `json:"read"`
	Events     uint64 `json:"events"`
	Duplicates uint64 `json:"duplicates,omitempty"` // the stream that takes them has an event of that id already
	Refused    uint64 `json:"refused,omitempty"`    // rejected permanently, and left out
	NotEvents  uint64 `json:"noEvents,omitempty"`   // messages that are not CloudEvents
}

func (t *Tally) add(more Tally) {
	t.Read += more.Read
	t.Events += more.Events
	t.Duplicates += more.Duplicates
	t.Refused += more.Refused
	t.NotEvents += more.NotEvents
}

// ErrPermanent marks an error that another attempt of the same run does not change.
var ErrPermanent = errors.New("the replay ends")

// LostError is a failure after which a run begins again where the job is.
type LostError struct{ error }

// Unwrap returns why.
func (e LostError) Unwrap() error { return e.error }

// NotEventError is returned for a message that is not a CloudEvent.
type NotEventError struct{ error }

// Unwrap returns why.
func (e NotEventError) Unwrap() error { return e.error }

// RefusedError is returned for an event that a target rejects permanently.
type RefusedError struct {
	ID       string
	Subject  string // live, not where it was replayed to
	Sequence uint64
	Err      error
}

// Error names the event.
func (e RefusedError) Error() string { return about(e.ID, e.Subject, e.Sequence, e.Err).Error() }

// Unwrap returns why.
func (e RefusedError) Unwrap() error { return e.Err }

// about names the event that an error is about.
func about(id, subject string, sequence uint64, err error) error {
	return fmt.Errorf("event %s (%s, sequence %d): %w", id, subject, sequence, err)
}
