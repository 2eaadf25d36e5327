package replay

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Listed is a job in a list.
type Listed struct {
	Job
	SavedAt time.Time `json:"savedAt"`         // when it was last saved: a run at work saves it about every second
	Problem string    `json:"error,omitempty"` // why its state cannot be read
}

// Jobs returns the jobs that are kept, the newest first.
func (p *Place) Jobs(ctx context.Context) ([]Listed, error) {
	saved, err := p.State.List(ctx, KeyPrefix)
	if err != nil {
		return nil, err
	}
	all := make([]Listed, 0, len(saved))
	for key, value := range saved {
		one := Listed{SavedAt: value.At.UTC()}
		if err := json.Unmarshal(value.Value, &one.Job); err != nil {
			one.Problem = "its state is not that of a job"
		}
		one.Name = strings.TrimPrefix(key, KeyPrefix)
		if !one.Deleted() {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b Listed) int {
		if order := b.Began.Compare(a.Began); order != 0 {
			return order
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all, nil
}

// State is what is known about a job.
type State string

// The states of a job.
const (
	Running     State = "running"
	Elsewhere   State = "running elsewhere" // as a command, or in another bridge
	Done        State = "done"
	Stopped     State = "stopped"
	Failed      State = "failed"
	Interrupted State = "interrupted" // it does not run, and why is not known here
)

// savedLately is how long ago a run that is at work has saved its job, with clocks that are not quite the same.
const savedLately = 5 * time.Second

// StateAt returns what can be known at a moment about a job that does not run here.
func (l Listed) StateAt(now time.Time) State {
	switch {
	case !l.Ended.IsZero():
		return Done
	case strings.HasPrefix(l.Run, erasing):
		return Stopped
	case now.Sub(l.SavedAt) < savedLately:
		return Elsewhere
	}
	return Interrupted
}
