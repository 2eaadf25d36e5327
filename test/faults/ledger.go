//go:build linux

package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// outcome is what became of a callback.
type outcome uint8

const (
	pending    outcome = iota // no answer yet
	answered                  // 200
	refused                   // 503
	other                     // any other status
	unanswered                // the connection was refused or broke
	open                      // 200, but after the ledger was frozen: it may be stored or not
)

// entry is one callback.
type entry struct {
	id         uuid.UUID // of its event, from the 200
	sequence   uint64    // from the 200
	connection uint16
	phase      uint8 // when it was answered
	outcome    outcome
	copies     uint8 // in the final stream
}

// maxEntries bounds the memory of a ledger: about 200 MB.
const maxEntries = 4 << 20

// ledger records every callback that was sent. Callback n is entry n-1, and n is also the record's id in its event; on one connection n
// rises, because each sends the next callback when the last one is answered.
type ledger struct {
	mu      sync.Mutex
	entries []entry
	frozen  bool
	load    time.Duration // how long callbacks were sent
	now     phase
	phases  uint8
}

// phase is a part of a scenario, with the answers in it.
type phase struct {
	number      uint8
	first       int64 // number of the first callback that began in it
	began       time.Time
	took        time.Duration
	answered    int
	refused     int
	other       int
	unanswered  int
	noWait      int           // 503 without Retry-After
	slowest     time.Duration // 503
	sample      string        // one of the answers that were neither 200 nor 503
	slowestSafe time.Duration // 200
}

// begin records a callback; ok is false if the ledger is full.
func (l *ledger) begin(connection int) (n int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) == maxEntries {
		return 0, false
	}
	l.entries = append(l.entries, entry{connection: uint16(connection)})
	return int64(len(l.entries)), true
}

// end records the outcome of callback n.
func (l *ledger) end(n int64, r reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &l.entries[n-1]
	e.outcome, e.id, e.sequence, e.phase = r.outcome, r.id, r.sequence, l.now.number
	switch r.outcome {
	case answered:
		if l.frozen {
			e.outcome = open
			return
		}
		l.now.answered++
		l.now.slowestSafe = max(l.now.slowestSafe, r.took)
	case refused:
		l.now.refused++
		l.now.slowest = max(l.now.slowest, r.took)
		if !r.retryAfter {
			l.now.noWait++
		}
	case other:
		l.now.other++
		l.now.sample = r.what
	case unanswered:
		l.now.unanswered++
		l.now.sample = r.what
	}
}

// next begins a phase, and returns the last one.
func (l *ledger) next() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	ended := l.now
	if ended.began.IsZero() {
		ended.began = time.Now()
	}
	ended.took = time.Since(ended.began)
	l.phases++
	l.now = phase{number: l.phases, first: int64(len(l.entries)) + 1, began: time.Now()}
	return ended
}

// peek returns the current phase.
func (l *ledger) peek() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// freeze says that what is answered from now on may be lost, because the disk is being copied.
func (l *ledger) freeze(frozen bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = frozen
}

// count returns how many callbacks had each outcome.
func (l *ledger) count() map[outcome]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[outcome]int{}
	for i := range l.entries {
		counts[l.entries[i].outcome]++
	}
	return counts
}

func (l *ledger) loaded(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.load += d
}

// rate returns how many callbacks were answered 200 per second of load.
func (l *ledger) rate() float64 {
	safe := l.count()[answered]
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(safe) / max(l.load, time.Millisecond).Seconds()
}

// storedOf returns how many of the callbacks that began and ended in a phase with an outcome are in the final stream.
func (l *ledger) storedOf(p phase, o outcome) (stored int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.entries {
		if e := l.entries[i]; int64(i+1) >= p.first && e.phase == p.number && e.outcome == o && e.copies > 0 {
			stored++
		}
	}
	return stored
}

// String describes a phase, for an error.
func (p phase) String() string {
	text := fmt.Sprintf("%d answered 200, %d 503, %d otherwise, %d not at all, in %s", p.answered, p.refused, p.other, p.unanswered, p.took.Round(time.Millisecond))
	if p.sample != "" {
		text += "; for example: " + p.sample
	}
	return text
}
