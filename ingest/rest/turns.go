package rest

import (
	"context"
	"slices"
	"sync"
)

// Turns bounds the calls to an account's API that are made at once. Those that wait are served in the order of their arrival, but the pages
// of backfills after all others: while reads keep every turn busy, a backfill stands still. The zero value is ready.
type Turns struct {
	AtOnce int // 0: 4

	mu      sync.Mutex
	busy    int
	waiting [2][]chan struct{} // by rank; a turn is handed over by closing its channel
}

// Rank says what is served first.
type Rank int

// The ranks of calls.
const (
	Live Rank = iota // of what happens now
	Past             // of a backfill or a repair
)

const atOnce = 4 // of Turns: one less than the fewest that a CRM allows, so that a subscription can be renewed meanwhile

// Take waits for a turn and returns what ends it; that must be called once. It returns the cause when ctx ends first.
func (t *Turns) Take(ctx context.Context, rank Rank) (done func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	mine := t.enter(rank)
	if mine == nil {
		return t.leave, nil
	}
	select {
	case <-mine:
		return t.leave, nil
	case <-ctx.Done():
		if !t.withdraw(rank, mine) {
			t.leave() // the turn came at the same moment
		}
		return nil, context.Cause(ctx)
	}
}

// enter takes a free turn and returns nil, or a channel that is closed when it is the caller's turn.
func (t *Turns) enter(rank Rank) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := t.AtOnce
	if limit == 0 {
		limit = atOnce
	}
	if t.busy < limit {
		t.busy++
		return nil
	}
	mine := make(chan struct{})
	t.waiting[rank] = append(t.waiting[rank], mine)
	return mine
}

// leave hands the turn to the next call that waits.
func (t *Turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rank, waiting := range t.waiting {
		if len(waiting) > 0 {
			t.waiting[rank] = waiting[1:]
			close(waiting[0])
			return
		}
	}
	t.busy--
}

// withdraw reports whether a call was still waiting, which now does not.
func (t *Turns) withdraw(rank Rank, mine chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting[rank], mine)
	if i < 0 {
		return false
	}
	t.waiting[rank] = slices.Delete(t.waiting[rank], i, i+1)
	return true
}
