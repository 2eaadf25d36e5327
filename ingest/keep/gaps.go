package keep

import (
	"cmp"
	"github.com/crm-bridge/crm-bridge/ingest"
	"slices"
	"time"
)

// job is a gap that is to be repaired.
type job struct {
	ingest.Gap
	Ours   bool `json:",omitempty"` // Since and Until are moments of our clock, and not widened yet
	Why    string
	Noted  time.Time `json:",omitzero"` // when it was noted first, and
	Due    time.Time `json:",omitzero"` // when it may begin
	Cursor string    // of the last page that was made safe
	Made   int       // records made safe so far
	Second bool      `json:",omitempty"` // it was repaired, and is looked at once more
	Tried  time.Time // when it was last begun or gone on with
	Fails  int       // in a row
}

// repairs is the state of a CRM's repairs.
type repairs struct {
	Sure time.Time            // the last moment at which callbacks could be taken for sure
	Done map[string]time.Time // when the last repair of a module came to its end; by account and module
	Jobs []job
}

const (
	// settle is how long a CRM has to list what changed at the very end of a gap. What changes after the end is reported by callbacks, so
	// nothing else is waited for.
	settle = 10 * time.Second
	// settleLongest is how long a gap may grow, as under callbacks that are refused one after the other, before it is repaired.
	settleLongest = 5 * time.Minute
	// secondLook is how long after a repair its gap is looked at once more, for what the CRM lists late. It is shorter than the
	// duplicates window of a stream, two minutes, so that what is listed twice is stored once.
	secondLook = 90 * time.Second
	// secondSpan is how much of a gap is looked at once more, from its end back: what is older was listed long ago.
	secondSpan = time.Hour
	// near is how close gaps of one module must be to grow together.
	near = 5 * time.Minute
	// maxJobs bounds the gaps that wait; beyond, those of a module grow together.
	maxJobs = 200
	// retryRepair and retryRepairLast are the waits after a repair that failed, doubling from the first to the second.
	retryRepair     = time.Minute
	retryRepairLast = time.Hour
)

// settleOf is how long a gap of a CRM waits for what the CRM lists late.
func settleOf(crm *ingest.CRM) time.Duration { return cmp.Or(crm.Settle, settle) }

// add adds a gap that has come to its end. It grows together with one of the same module that is near, or with any once there are
// many, unless that one is being repaired.
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

// of returns what is noted of a job; nil where it is gone.
func (r *repairs) of(one job) *job {
	i := slices.IndexFunc(r.Jobs, one.is)
	if i < 0 {
		return nil
	}
	return &r.Jobs[i]
}

// done notes that a job was repaired: it is looked at once more, or gone.
func (r *repairs) done(one job) {
	j := r.of(one)
	switch {
	case j == nil: // it has grown meanwhile, and is repaired once more
	case j.Second:
		r.Jobs = slices.DeleteFunc(r.Jobs, one.is)
	default:
		j.Second, j.Cursor, j.Made, j.Due = true, "", 0, time.Now().UTC().Add(secondLook)
		if from := j.Until.Add(-secondSpan); from.After(j.Since) {
			j.Since = from
		}
	}
}

// is reports whether two jobs are one.
func (j job) is(other job) bool { return j.Gap == other.Gap && j.Ours == other.Ours }

// due returns the job that waits longest of those that may go on now.
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

// wait is how long a repair that failed waits before it is tried again.
func (j job) wait() time.Duration {
	if j.Fails == 0 {
		return 0
	}
	return min(retryRepair<<min(j.Fails-1, 10), retryRepairLast)
}
