package main

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// outcome is what became of a callback.
type outcome uint8

const (
	unanswered outcome = iota // no answer yet, none at all, or one of the API server instead of the bridge's
	answered                  // 200
	refused                   // 503 of the bridge
	other                     // any other status of the bridge
)

// entry is one callback.
type entry struct {
	id      uuid.UUID // of its event, from the 200
	at      time.Time // of the answer
	fault   int
	outcome outcome
	copies  int // in the stream
}

// maxEntries bounds the memory of a ledger: about 80 MB.
const maxEntries = 1 << 20

// ledger records every callback that was sent. Callback n is entry n-1, and n is also the record's id in its event.
type ledger struct {
	mu      sync.Mutex
	entries []entry
	faults  []span
	strange int    // events of the stream that were never sent, or have another id than the answer said
	sample  string // of an answer that was neither 200 nor 503
}

// span is the time of a fault, with the load after it.
type span struct{ began, ended time.Time }

// begin records a callback; ok is false if the ledger is full.
func (l *ledger) begin() (n int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) == maxEntries {
		return 0, false
	}
	l.entries = append(l.entries, entry{fault: len(l.faults) - 1})
	return len(l.entries), true
}

// end records the answer to callback n.
func (l *ledger) end(n int, r reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &l.entries[n-1]
	e.outcome, e.id, e.at = r.outcome, r.id, time.Now()
	if r.outcome == other {
		l.sample = r.what
	}
}

// next begins a fault, to which callbacks count from now on.
func (l *ledger) next() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if last := len(l.faults) - 1; last >= 0 {
		l.faults[last].ended = now
	}
	l.faults = append(l.faults, span{began: now, ended: now})
}

// finish ends the last fault.
func (l *ledger) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := len(l.faults) - 1; last >= 0 {
		l.faults[last].ended = time.Now()
	}
}

// safe returns how many callbacks were answered with 200.
func (l *ledger) safe() (safe int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.entries {
		if l.entries[i].outcome == answered {
			safe++
		}
	}
	return safe
}

// forget resets what a reading of the stream has noted.
func (l *ledger) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strange = 0
	for i := range l.entries {
		l.entries[i].copies = 0
	}
}

// meet notes an event of the stream: its record, which is the number of the callback, and its id.
func (l *ledger) meet(n int, id uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 1 || n > len(l.entries) || l.entries[n-1].outcome == answered && l.entries[n-1].id != id {
		l.strange++
		return
	}
	l.entries[n-1].copies++
}

// count sums up what became of the callbacks of a fault.
func (l *ledger) count(fault int) (c counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	during := l.faults[fault]
	times := []time.Time{during.began, during.ended}
	for i := range l.entries {
		e := &l.entries[i]
		if e.outcome == answered && e.at.After(during.began) && e.at.Before(during.ended) {
			times = append(times, e.at)
		}
		if e.fault != fault {
			continue
		}
		c.sent++
		c.outcomes[e.outcome]++
		if e.copies == 0 && e.outcome == answered {
			c.missing++
		}
		c.doubled += max(0, e.copies-1)
	}
	slices.SortFunc(times, time.Time.Compare)
	for i := range len(times) - 1 {
		c.gap = max(c.gap, times[i+1].Sub(times[i]))
	}
	return c
}

// counts are the callbacks of one fault.
type counts struct {
	sent     int
	outcomes [other + 1]int
	missing  int           // answered with 200, and not in the stream
	doubled  int           // copies beyond the first
	gap      time.Duration // longest time without a 200
}
