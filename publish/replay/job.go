package replay

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Job is what a replay selects, and how far it has got.
type Job struct {
	Name    string    `json:"name"`
	Request Request   `json:"asked"`
	Made    time.Time `json:"made"` // when the stream was made
	First   uint64    `json:"first"`
	Last    uint64    `json:"last"`
	Total   uint64    `json:"total"`            // messages that were there when it began
	At      uint64    `json:"at,omitempty"`     // the sequence up to which all is done
	Beside  uint64    `json:"beside,omitempty"` // last sequence of the stream that takes the events, before what is not in At
	Run     string    `json:"run"`              // that is at work, or was last
	Unmade  bool      `json:"unmade,omitempty"` // its subjects may still hold what was there before it
	Tally   Tally     `json:"tally"`
	// Entries is the sequence of the last entry, in the list of what consumers gave up on, that a replay of such messages may re-deliver.
	Entries uint64    `json:"entries,omitempty"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"`
	Free    time.Time `json:"free,omitzero"` // when the ids of events that were removed can be used again on its subjects

	Store    JobStore `json:"-"` // where it is saved; nil: nowhere
	revision uint64
}

// JobStore keeps jobs, each with a revision that changes with every Save.
type JobStore interface {
	// Load returns a value and its revision; an empty one where there is none.
	Load(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Save stores a value if its revision is still the given one, and returns the new one. The error is publish.ErrConflict
	// where another writer was faster.
	Save(ctx context.Context, key string, value []byte, revision uint64) (saved uint64, err error)
}

// KeyPrefix begins the keys of jobs in a Store.
const KeyPrefix = "replay."

// savesEvery is how often a run at work saves its job.
const savesEvery = time.Second

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidName reports whether a job may have that name: it is a token of subjects.
func ValidName(name string) bool { return namePattern.MatchString(name) }

// NewJob returns a job over a span that is not saved anywhere yet. Without a name it gets one that no other job has.
func NewJob(ctx context.Context, name string, request Request, span *publish.Span) (*Job, error) {
	now := time.Now().UTC()
	if name == "" {
		name = NewName(now)
	}
	total, err := span.Count(ctx, span.First)
	return &Job{Name: name, Request: request, Made: span.Made, First: span.First, Last: span.Last, Total: total, Began: now}, err
}

// NewName returns the name of a job that nobody has named, which no other job has.
func NewName(now time.Time) string {
	return now.UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
}

// Load returns the job of a name; nil where there is none.
func Load(ctx context.Context, store JobStore, name string) (*Job, error) {
	value, revision, err := store.Load(ctx, KeyPrefix+name)
	if err != nil {
		return nil, fmt.Errorf("state of job %s: %w", name, err)
	}
	if len(value) == 0 {
		return nil, nil
	}
	j := &Job{Store: store, revision: revision}
	if err := json.Unmarshal(value, j); err != nil {
		return nil, fmt.Errorf("state of job %s: %w", name, err)
	}
	if j.Name != name {
		return nil, fmt.Errorf("the state is that of job %s, not of %s", j.Name, name)
	}
	return j, nil
}

// Replace makes the job the one that is saved in place of an earlier one of its name.
func (j *Job) Replace(earlier *Job) {
	j.Store, j.revision, j.Free = earlier.Store, earlier.revision, earlier.Free
}

// Deleted reports whether the job is only kept because its subjects cannot be used yet.
func (j *Job) Deleted() bool { return j.Run == "" && !j.Free.IsZero() }

// atWork is the error of a run whose job was taken from it.
type atWork struct {
	job     string
	erasing bool // so that it does not bring an erased record again
}

// Error names the job.
func (e atWork) Error() string {
	if e.erasing {
		return "job " + e.job + " was stopped because a record is erased: resume it"
	}
	return "another run of job " + e.job + " is at work"
}

// erasing begins the Job.Run of a job that was taken from its run because a record is erased. Nothing is at work on it.
const erasing = "erase-"

// takenBy is the error of a run whose job is now this one.
func takenBy(now *Job) atWork { return atWork{now.Name, strings.HasPrefix(now.Run, erasing)} }

// Save stores the job. The error is permanent if another run of the job has saved it since.
func (j *Job) Save(ctx context.Context) error {
	value, err := json.Marshal(j)
	if err != nil {
		return err
	}
	saved, err := j.Store.Save(ctx, KeyPrefix+j.Name, value, j.revision)
	if errors.Is(err, publish.ErrConflict) {
		// The answer to an earlier attempt may have been lost, and not the attempt.
		held, revision, failed := j.Store.Load(ctx, KeyPrefix+j.Name)
		if failed != nil {
			return fmt.Errorf("state of job %s: %w", j.Name, failed)
		}
		if string(held) != string(value) {
			now := &Job{}
			_ = json.Unmarshal(held, now) // of another form, it is another run's
			return fmt.Errorf("%w: %w", ErrPermanent, atWork{j.Name, takenBy(now).erasing})
		}
		saved, err = revision, nil
	}
	if err != nil {
		return fmt.Errorf("state of job %s: %w", j.Name, err)
	}
	j.revision = saved
	return nil
}

// advance adds what a target has done.
func (j *Job) advance(done Report) {
	if done.At > 0 {
		j.At = done.At
	}
	if done.Beside > 0 {
		j.Beside = done.Beside
	}
	j.Tally.add(done.Counts)
}

// Part returns how much of the job is done, from 0 to 1.
func (j *Job) Part() float64 {
	if j.Total == 0 {
		return 0
	}
	return min(1, float64(j.Tally.Read)/float64(j.Total))
}

// Request is what a replay's flags select, as written: a span back from now keeps its meaning from the job's start.
type Request struct {
	Stream   string   `json:"stream"`
	Subjects []string `json:"subjects"`
	Since    string   `json:"since,omitempty"`
	Until    string   `json:"until,omitempty"`
	From     uint64   `json:"from,omitempty"`
	Upto     uint64   `json:"to,omitempty"`
	Record   string   `json:"record,omitempty"`
	Account  string   `json:"account,omitempty"`
	Origin   string   `json:"origin,omitempty"`
	Dead     string   `json:"dead,omitempty"` // the consumer that gave up on them
	Target   string   `json:"target"`         // without secrets
}

// Difference is something in which a job was asked for differently; empty: it was not given.
type Difference struct{ Name, Was, Is string }

// Differences returns in what another request differs, whatever the order of its subjects.
func (r Request) Differences(now Request) (all []Difference) {
	sorted := func(subjects []string) string {
		return strings.Join(slices.Sorted(slices.Values(subjects)), " ")
	}
	for _, one := range []Difference{
		{"stream", r.Stream, now.Stream},
		{"subject", sorted(r.Subjects), sorted(now.Subjects)},
		{"since", r.Since, now.Since},
		{"until", r.Until, now.Until},
		{"from-sequence", number(r.From), number(now.From)},
		{"to-sequence", number(r.Upto), number(now.Upto)},
		{"record", r.Record, now.Record},
		{"account", r.Account, now.Account},
		{"origin", r.Origin, now.Origin},
		{"dead", r.Dead, now.Dead},
		{"to", r.Target, now.Target},
	} {
		if one.Was != one.Is {
			all = append(all, one)
		}
	}
	return all
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
