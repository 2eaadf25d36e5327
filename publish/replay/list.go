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
