package main

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// sent records a callback that is answered so, and returns its number and the id of its event.
func sent(l *ledger, o outcome) (int, uuid.UUID) {
	n, _ := l.begin()
	id := uuid.New()
	l.end(n, reply{outcome: o, id: id})
	return n, id
}

// An answered callback whose event is not in the stream is missing, and counts to the fault in which it was sent.
func TestMissing(t *testing.T) {
	l := &ledger{}
	l.next()
	n, id := sent(l, answered)
	l.meet(n, id)
	l.next()
	sent(l, answered)
	sent(l, refused)
	sent(l, unanswered)
	l.finish()
	if first := l.count(0); first.missing != 0 || first.sent != 1 {
		t.Errorf("first fault: %+v; want 1 callback, none missing", first)
	}
	second := l.count(1)
	if second.missing != 1 || second.sent != 3 || second.outcomes != [...]int{unanswered: 1, answered: 1, refused: 1, other: 0} {
		t.Errorf("second fault: %+v; want 3 callbacks, and the answered one missing", second)
	}
	if failed := (row{way: journal, fault: "x", counts: second}).violations(); len(failed) != 1 {
		t.Errorf("violations: %v; want the missing event", failed)
	}
}

// An event that is stored twice is counted as such; one that was never sent, or has another id than its answer said, is a stranger.
func TestTwiceAndStrange(t *testing.T) {
	l := &ledger{}
	l.next()
	n, id := sent(l, answered)
	l.meet(n, id)
	l.meet(n, id)
	l.meet(n, uuid.New())
	l.meet(n+1, id)
	l.meet(0, id)
	if c := l.count(0); c.doubled != 1 || c.missing != 0 || l.strange != 3 {
		t.Errorf("%+v, %d strange; want 1 twice and 3 strange", c, l.strange)
	}
	l.forget()
	if c := l.count(0); c.missing != 1 || l.strange != 0 {
		t.Errorf("%+v, %d strange; want the first reading forgotten", c, l.strange)
	}
}

// The longest gap is the longest time without a 200, also before the first and after the last one, whatever order callbacks are
// answered in.
func TestGap(t *testing.T) {
	began := time.Now()
	for _, c := range []struct {
		name  string
		ended int // seconds
		at    []int
		want  int
	}{
		{"between two", 6, []int{1, 5}, 4},
		{"before the first", 6, []int{3, 4, 5}, 3},
		{"after the last", 9, []int{1, 2}, 7},
		{"out of order", 6, []int{5, 1, 2, 3, 4}, 1},
		{"none", 6, nil, 6},
	} {
		after := func(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }
		l := &ledger{faults: []span{{began: began, ended: after(c.ended)}}}
		for _, at := range c.at {
			l.entries = append(l.entries, entry{outcome: answered, at: after(at)})
		}
		if got := l.count(0).gap; got != after(c.want).Sub(began) {
			t.Errorf("%s: %s; want %d s", c.name, got, c.want)
		}
	}
}
