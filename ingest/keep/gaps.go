package keep

import (
	"cmp"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// job is a gap that is to be repaired.
type job struct {
	ingest.Gap
	Ours   bool `json:",omitempty"` // Since and Until are by our clock, and not widened yet
	Why    string
	Noted  time.Time `json:",omitzero"` // when it was noted first
	Due    time.Time `json:",omitzero"` // when its repair may start
	Cursor string    // of the last page that was made safe
	Made   int       // records made safe so far
	Second bool      `json:",omitempty"` // it was repaired, and is read once more
	Tried  time.Time // when its repair was last started or resumed
	Fails  int       // in a row
	Failed string    `json:",omitempty"` // why its repair failed last

	shard int // that it is stored in
}

// repairs is the state of a CRM's repairs.
type repairs struct {
	Sure time.Time            // the last moment at which callbacks could be accepted; in shard 0 alone
	Done map[string]time.Time // when a module was last repaired, by account and module
	Jobs []job

	Closed closedGaps `json:",omitempty"` // lately, newest first

	Sharded bool `json:",omitempty"` // the other shards are in use, or were; in shard 0 alone
}

const (
	// settle is how long a CRM has to list what changed at the very end of a gap. Later changes are reported by callbacks.
	settle = 10 * time.Second
	// settleLongest is how long a gap may grow, while callbacks are refused one after the other, before it is repaired.
	settleLongest = 5 * time.Minute
	// secondLook is how long after a repair its gap is read once more, for what the CRM lists late. It is shorter than a stream's
	// duplicates window, two minutes, so that what is listed twice is stored once.
	secondLook = 90 * time.Second
	// secondSpan is how much of a gap, at its end, is read once more.
	secondSpan = time.Hour
	// near is how close gaps of one module must be to be merged.
	near = 5 * time.Minute
	// maxJobs bounds the waiting gaps; beyond it those of a module are merged.
	maxJobs = 200
	// retryRepair and retryRepairLast are the shortest and the longest pause after a failed repair; each is twice the one before.
	retryRepair     = time.Minute
	retryRepairLast = time.Hour
)

// settleOf is how long a gap of a CRM waits for what the CRM lists late.
func settleOf(crm *ingest.CRM) time.Duration { return cmp.Or(crm.Settle, settle) }

// add adds a gap. It is merged with one of the same module that is near and is not being repaired, or with any of the module once
// there are many.
func (r *repairs) add(gap job, settle time.Duration) {
	gap.Noted = time.Now().UTC()
	gap.Due = gap.Noted.Add(settle)
	for i := range r.Jobs {
		other := &r.Jobs[i]
		isNear := !gap.Since.Add(-near).After(other.Until) && !other.Since.Add(-near).After(gap.Until)
		if other.Account != gap.Account || other.Module != gap.Module || other.Ours != gap.Ours || (other.Cursor != "" || other.Second || !isNear) && len(r.Jobs) < maxJobs {
			continue
		}
		if gap.Since.Before(other.Since) {
			other.Since = gap.Since
		}
		if gap.Until.After(other.Until) {
			other.Until = gap.Until
		}
		other.Cursor, other.Second = "", false
		if other.Due = gap.Due; other.Due.Sub(other.Noted) > settleLongest {
			other.Due = other.Noted.Add(settleLongest)
		}
		return
	}
	r.Jobs = append(r.Jobs, gap)
}

// of returns the stored job; nil where it is gone.
func (r *repairs) of(one job) *job {
	i := slices.IndexFunc(r.Jobs, one.is)
	if i < 0 {
		return nil
	}
	return &r.Jobs[i]
}

// done records that a job was repaired: it is closed and read once more, or removed. It reports whether it was closed just now.
func (r *repairs) done(one job) (closed bool) {
	j := r.of(one)
	switch {
	case j == nil: // it has grown meanwhile, and is repaired again
	case j.Second:
		r.Jobs = slices.DeleteFunc(r.Jobs, one.is)
	default:
		closed = r.Closed.add(j.closedAs(""))
		j.Second, j.Cursor, j.Made, j.Due = true, "", 0, time.Now().UTC().Add(secondLook)
		if from := j.Until.Add(-secondSpan); from.After(j.Since) {
			j.Since = from
		}
	}
	return closed
}

// is reports whether two jobs are one.
func (j job) is(other job) bool { return j.Gap == other.Gap && j.Ours == other.Ours }

// due returns the job that has waited longest, of those that may continue now.
func (r *repairs) due(now time.Time) *job {
	var first *job
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if !now.Before(j.Due) && !now.Before(j.Tried.Add(j.wait())) && (first == nil || j.Tried.Before(first.Tried)) {
			first = j
		}
	}
	return first
}

// wait is the pause before a failed repair is retried.
func (j job) wait() time.Duration {
	if j.Fails == 0 {
		return 0
	}
	return min(retryRepair<<min(j.Fails-1, 10), retryRepairLast)
}

// closedAs returns a job as a closed gap.
func (j job) closedAs(unrepaired string) closed {
	return closed{Gap: j.Gap, Why: j.Why, Noted: j.Noted, At: time.Now().UTC(), Made: j.Made, Unrepaired: unrepaired}
}
