//go:build linux

package main

import (
	"strconv"
	"testing"

	"github.com/google/uuid"
)

// fourAnswers is a ledger of four callbacks, two per connection, answered in the order in which they began.
func fourAnswers() (*ledger, []uuid.UUID) {
	l, ids := &ledger{}, make([]uuid.UUID, 4)
	for i := range ids {
		ids[i] = uuid.New()
		n, _ := l.begin(i % 2)
		l.end(n, reply{outcome: answered, id: ids[i], sequence: uint64(i + 1)})
	}
	return l, ids
}

// Missing, double, out-of-order and strange events of a stream are counted, each separately.
func TestReconcilerFinds(t *testing.T) {
	type found struct{ missing, dropped, double, outOfOrder, strange int }
	for name, c := range map[string]struct {
		stream []int // callbacks, counted from 1
		first  uint64
		want   found
	}{
		"nothing amiss":                    {[]int{1, 2, 3, 4}, 1, found{}},
		"a dropped event":                  {[]int{1, 2, 4}, 1, found{missing: 1}},
		"nothing at all":                   {nil, 0, found{missing: 4}},
		"an event dropped at the limit":    {[]int{2, 3, 4}, 2, found{dropped: 1}},
		"an event twice":                   {[]int{1, 2, 1, 3, 4}, 1, found{double: 1}},
		"two connections in another order": {[]int{2, 1, 3, 4}, 1, found{outOfOrder: 1}},
		"a connection in another order":    {[]int{3, 1, 2, 4}, 1, found{outOfOrder: 2}},
		"an event that nobody sent":        {[]int{1, 2, 3, 4, 5}, 1, found{strange: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			l, ids := fourAnswers()
			r := newReconciler(l)
			for _, n := range c.stream {
				id := uuid.New()
				if n <= len(ids) {
					id = ids[n-1]
				}
				r.meet(strconv.Itoa(n), id)
			}
			got := found{double: r.double, outOfOrder: r.outOfOrder, strange: r.strange}
			if got.missing, got.dropped = r.missing(c.first); got != c.want {
				t.Errorf("found %+v, want %+v", got, c.want)
			}
		})
	}
}

// An event with another id than its answer said does not count as that answer's event.
func TestAnotherID(t *testing.T) {
	l, _ := fourAnswers()
	r := newReconciler(l)
	r.meet("1", uuid.New())
	if missing, _ := r.missing(0); missing != 4 || r.strange != 1 {
		t.Errorf("missing %d, strange %d", missing, r.strange)
	}
}

// A connection's later event before its earlier one is out of order even if the sequences do not show it.
func TestOrderOfAConnection(t *testing.T) {
	l := &ledger{}
	ids := []uuid.UUID{uuid.New(), uuid.New()}
	for _, id := range ids {
		n, _ := l.begin(0)
		l.end(n, reply{outcome: answered, id: id, sequence: 1})
	}
	r := newReconciler(l)
	r.meet("2", ids[1])
	r.meet("1", ids[0])
	if r.outOfOrder != 1 {
		t.Errorf("out of order: %d", r.outOfOrder)
	}
}

// What a scenario does not explain is a violation, and so is a control that loses nothing.
func TestJudge(t *testing.T) {
	safe := map[outcome]int{answered: 1}
	for name, c := range map[string]struct {
		row  row
		want int
	}{
		"as it should be":           {row{counts: safe}, 0},
		"missing":                   {row{counts: safe, missing: 1}, 1},
		"double":                    {row{counts: safe, double: 1}, 1},
		"double, explained":         {row{counts: safe, double: 1, doubles: "sent again"}, 0},
		"out of order":              {row{counts: safe, outOfOrder: 1}, 1},
		"strange":                   {row{counts: safe, strange: 1}, 1},
		"nothing answered":          {row{counts: map[outcome]int{refused: 9}}, 1},
		"answered with a 500":       {row{counts: map[outcome]int{answered: 1, other: 1}}, 1},
		"a control that loses":      {row{counts: safe, missing: 1, scenario: scenario{loses: true}}, 0},
		"a control that loses none": {row{counts: safe, scenario: scenario{loses: true}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.row.judge()
			if len(c.row.violations) != c.want {
				t.Errorf("violations: %q, want %d", c.row.violations, c.want)
			}
		})
	}
}

// Only what began and ended in a phase is counted as that phase's, and a frozen ledger does not count a 200.
func TestPhases(t *testing.T) {
	l := &ledger{}
	early, _ := l.begin(0)
	l.next()
	l.end(early, reply{outcome: refused})
	during, _ := l.begin(0)
	l.end(during, reply{outcome: refused})
	down := l.next()
	if down.refused != 2 || down.noWait != 2 {
		t.Errorf("phase: %s, %d without Retry-After", down, down.noWait)
	}
	r := newReconciler(l)
	r.meet("1", uuid.New())
	if n := l.storedOf(down, refused); n != 0 {
		t.Errorf("%d stored of the phase, of which the one that is stored began before it", n)
	}
	r.meet("2", uuid.New())
	if n := l.storedOf(down, refused); n != 1 || r.refused != 2 {
		t.Errorf("%d stored of the phase, %d in all", n, r.refused)
	}
	l.freeze(true)
	n, _ := l.begin(0)
	l.end(n, reply{outcome: answered, id: uuid.New()})
	if got := l.count()[answered]; got != 0 {
		t.Errorf("%d answered while frozen", got)
	}
}
