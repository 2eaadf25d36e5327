package replay

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Order is what a job replays, and where to.
type Order struct {
	Name         string   // of the job; empty: a new one
	Subjects     []string // filters; empty: all of the bridge
	Since, Until time.Time
	From, Upto   uint64 // sequences
	Selection
	Options
}

// Options are those of a run, which may differ when a job is resumed.
type Options struct {
	Endpoint    *url.URL     // nil: to subjects of the job's own. It is kept in memory alone: it may hold a secret
	Mode        publish.Mode // of posts; empty: structured
	Parallel    int          // posts at once; 0: one
	Rate        float64      // events a second; 0: as fast as the target takes them
	SkipRefused bool         // leave out events that the target rejects permanently
}

// runPatience is how long a job retries an unreachable endpoint or NATS.
const runPatience = 15 * time.Minute

// MaxParallel is how many posts of a job may be under way at once.
const MaxParallel = 64

// check returns why an order cannot be run, in words for whoever gave it.
func (o Order) check() error {
	for _, filter := range o.Subjects {
		if !publish.IsFilter(filter) {
			return fmt.Errorf("%q is not a subject: give tokens joined by dots, such as crm.*.Deals.* or crm.>", filter)
		}
	}
	switch {
	case o.Name != "" && !ValidName(o.Name):
		return errors.New("the name of a job must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
	case !o.Since.IsZero() && !o.Until.IsZero() && !o.Since.Before(o.Until):
		return errors.New("the time from which events are replayed must be before the time at which it ends")
	case o.Upto > 0 && o.From > o.Upto:
		return errors.New("the first sequence must not be more than the last")
	}
	return o.Options.check()
}

func (o Options) check() error {
	switch {
	case o.Parallel < 0 || o.Parallel > MaxParallel:
		return fmt.Errorf("posts at once must be 1 to %d", MaxParallel)
	case o.Rate < 0:
		return errors.New("the rate must not be negative")
	}
	return nil
}

// target is the Request.Target of the options.
func (o Options) target() string {
	if o.Endpoint == nil {
		return ToSubject
	}
	return EndpointName(o.Endpoint)
}

func (o Order) request(stream string) Request {
	return Request{
		Stream: stream, Subjects: o.Subjects, Since: written(o.Since), Until: written(o.Until), From: o.From, Upto: o.Upto,
		Record: o.Record, Account: o.Account, Origin: o.Origin, Target: o.target(),
	}
}

func written(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
