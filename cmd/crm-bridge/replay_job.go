package main

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

	"github.com/crm-bridge/crm-bridge/ingest"
)

// asked is what a replay was asked for, as it was written: a span back from now stays what it was when the job began.
type asked struct {
	Stream   string   `json:"stream"`
	Subjects []string `json:"subjects"`
	Since    string   `json:"since,omitempty"`
	Until    string   `json:"until,omitempty"`
	From     uint64   `json:"from,omitempty"`
	Upto     uint64   `json:"to,omitempty"`
	Record   string   `json:"record,omitempty"`
	Origin   string   `json:"origin,omitempty"`
	Target   string   `json:"target"` // without secrets
}

// tally counts what became of messages.
type tally struct {
	Read       uint64 `json:"read"`
	Events     uint64 `json:"events"`
	Duplicates uint64 `json:"duplicates,omitempty"` // the stream that takes them has an event of that id already
	Refused    uint64 `json:"refused,omitempty"`    // and skipped, as was asked for
	NoEvents   uint64 `json:"noEvents,omitempty"`   // messages that are no CloudEvents
}

func (t *tally) add(more tally) {
	t.Read += more.Read
	t.Events += more.Events
	t.Duplicates += more.Duplicates
	t.Refused += more.Refused
	t.NoEvents += more.NoEvents
}

// replayJob is what a replay is about, and how far it is.
type replayJob struct {
	Name   string    `json:"name"`
	Asked  asked     `json:"asked"`
	Made   time.Time `json:"made"` // when the stream was made
	First  uint64    `json:"first"`
	Last   uint64    `json:"last"`
	Total  uint64    `json:"total"`            // messages that were there when it began
	At     uint64    `json:"at,omitempty"`     // the sequence up to which all is done
	Beside uint64    `json:"beside,omitempty"` // last sequence of the stream that takes the events, before what is not in At
	Run    string    `json:"run"`              // that is at work, or was last
	Unmade bool      `json:"unmade,omitempty"` // its subjects may still hold what was there before it
	Tally  tally     `json:"tally"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"`

	store    replayStore
	revision uint64
}

// replayStore keeps jobs: in the bucket beside the stream, or in a file.
type replayStore interface {
	Load(ctx context.Context, key string) (value []byte, revision uint64, err error)
	Save(ctx context.Context, key string, value []byte, revision uint64) (saved uint64, err error)
}

var jobPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// newJobName is a name that no other job has.
func newJobName(now time.Time) string {
	return now.UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
}

func jobKey(name string) string { return "replay." + name }

// loadJob returns the job of a name; nil: there is none.
func loadJob(ctx context.Context, store replayStore, name string) (*replayJob, error) {
	value, revision, err := store.Load(ctx, jobKey(name))
	if err != nil {
		return nil, fmt.Errorf("state of job %s: %w", name, err)
	}
	if len(value) == 0 {
		return nil, nil
	}
	j := &replayJob{store: store, revision: revision}
	if err := json.Unmarshal(value, j); err != nil {
		return nil, fmt.Errorf("state of job %s: %w", name, err)
	}
	if j.Name != name {
		return nil, fmt.Errorf("the state is that of job %s, not of %s", j.Name, name)
	}
	return j, nil
}

// atWork is the error of a run that another run of its job has followed.
type atWork string

// Error names the job.
func (job atWork) Error() string { return "another run of job " + string(job) + " is at work" }

// save keeps the job. It fails with atWork if another run of it has kept it since.
func (j *replayJob) save(ctx context.Context) error {
	if j.store == nil {
		return nil
	}
	value, err := json.Marshal(j)
	if err != nil {
		return err
	}
	saved, err := j.store.Save(ctx, jobKey(j.Name), value, j.revision)
	if errors.Is(err, ingest.ErrConflict) {
		// The answer to an earlier attempt may have been lost, and not the attempt.
		held, revision, failed := j.store.Load(ctx, jobKey(j.Name))
		if failed != nil {
			return fmt.Errorf("state of job %s: %w", j.Name, failed)
		}
		if string(held) != string(value) {
			return fmt.Errorf("%w: %w", errForGood, atWork(j.Name))
		}
		saved, err = revision, nil
	}
	if err != nil {
		return fmt.Errorf("state of job %s: %w", j.Name, err)
	}
	j.revision = saved
	return nil
}

// part is how much of the job is done, from 0 to 1.
func (j *replayJob) part() float64 {
	if j.Total == 0 {
		return 0
	}
	return min(1, float64(j.Tally.Read)/float64(j.Total))
}

// differs says what a job was asked for that is not asked for now; empty: nothing.
func (a asked) differs(now asked) string {
	var all []string
	differ := func(name, was, is string) {
		if was != is {
			all = append(all, fmt.Sprintf("%s was %s, and is %s", name, orNone(was), orNone(is)))
		}
	}
	was, is := slices.Sorted(slices.Values(a.Subjects)), slices.Sorted(slices.Values(now.Subjects))
	differ("the stream", a.Stream, now.Stream)
	differ("--subject", strings.Join(was, " "), strings.Join(is, " "))
	differ("--since", a.Since, now.Since)
	differ("--until", a.Until, now.Until)
	differ("--from-sequence", number(a.From), number(now.From))
	differ("--to-sequence", number(a.Upto), number(now.Upto))
	differ("--record", a.Record, now.Record)
	differ("--origin", a.Origin, now.Origin)
	differ("--to", a.Target, now.Target)
	return strings.Join(all, "; ")
}

func orNone(text string) string {
	if text == "" {
		return "not given"
	}
	return text
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
