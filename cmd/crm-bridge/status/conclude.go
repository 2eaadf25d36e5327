package status

import (
	"cmp"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// Conclude adds to a report what needs a person, and then cuts its lists to MaxListed: what is not listed was judged too.
func (r *Report) Conclude() {
	r.Problems = Judge(*r)
	slices.SortStableFunc(r.Channels, func(a, b Channel) int { return cmp.Compare(a.rank(r.At), b.rank(r.At)) })
	slices.SortStableFunc(r.Gaps, func(a, b Gap) int {
		if a.Closed == nil || b.Closed == nil {
			return cmp.Compare(a.rank(), b.rank())
		}
		return b.Closed.Compare(*a.Closed)
	})
	slices.SortStableFunc(r.Consumers, func(a, b consumers.Consumer) int { return cmp.Compare(min(b.Dead, 1), min(a.Dead, 1)) })
	r.Problems, r.MoreProblems = first(r.Problems)
	r.Channels, r.MoreChannels = first(r.Channels)
	r.Gaps, r.MoreGaps = first(r.Gaps)
	r.Consumers, r.MoreConsumers = first(r.Consumers)
	r.Dead, r.MoreDead = first(r.Dead)
}

// first returns what of a list is in a report, and how many are not.
func first[T any](all []T) ([]T, int) {
	if more := len(all) - MaxListed; more > 0 {
		return all[:MaxListed], more
	}
	return all, 0
}

// rank puts channels that need a person first.
func (c Channel) rank(now time.Time) int {
	if c.problem(now) != "" {
		return 0
	}
	return 1
}

// rank puts open gaps first.
func (g Gap) rank() int {
	if g.Closed == nil {
		return 0
	}
	return 1
}
