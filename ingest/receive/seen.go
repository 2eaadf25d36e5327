package receive

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Seen is what came of the callbacks of a source since the start.
type Seen struct {
	Source     string
	Last       time.Time         // when the last callback came that was authenticated; zero: none has
	Outcomes   map[string]uint64 // how many, by the outcomes of the metric
	Forged     uint64            // callbacks in a row that were not authenticated, since the last one that was
	Rejections []Rejection       // the last of each outcome but accepted, newest first
}

// Rejection is a callback that was not accepted.
type Rejection struct {
	At      time.Time
	Outcome string
	Status  int
	Why     string // one of a few fixed texts: nothing of the callback is in it
}

// sight remembers what came of the callbacks of a source. It is bounded by the outcomes, which are fixed words.
type sight struct {
	mu       sync.Mutex
	last     time.Time
	outcomes map[string]uint64
	forged   uint64
	rejected map[string]Rejection // the last of each outcome
}

// note notes what came of a callback, and returns when the last authenticated one came.
func (s *sight) note(outcome string, status int, authenticated bool, at time.Time) (last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outcomes == nil {
		s.outcomes, s.rejected = map[string]uint64{}, map[string]Rejection{}
	}
	s.outcomes[outcome]++
	switch {
	case authenticated:
		s.forged = 0
		if at.After(s.last) {
			s.last = at
		}
	case outcome == outcomes[401]:
		s.forged++
	}
	if outcome != accepted && !at.Before(s.rejected[outcome].At) {
		s.rejected[outcome] = Rejection{at.UTC(), outcome, status, whys[outcome]}
	}
	return s.last
}

func (s *sight) seen(source string) Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Seen{
		Source: source, Last: s.last, Outcomes: maps.Clone(s.outcomes), Forged: s.forged,
		Rejections: slices.SortedFunc(maps.Values(s.rejected), func(a, b Rejection) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Outcome, b.Outcome)) }),
	}
}
