package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func edit(event string, at time.Duration, field, value string) change {
	c := change{Operation: "edit", IDs: []string{"7"}, Fields: map[string][]string{"7": {field}}, event: event, at: noon.Add(at)}
	if value != "" {
		c.Values = map[string]map[string]json.RawMessage{"7": {field: json.RawMessage(value)}}
	}
	return c
}

func remove(event string, at time.Duration) change {
	return change{Operation: "delete", IDs: []string{"7"}, event: event, at: noon.Add(at)}
}

func text(t *testing.T, changes []change) string {
	t.Helper()
	var r row
	for _, c := range changes {
		r.apply("7", c)
	}
	if !r.alive() {
		return "gone"
	}
	cells, err := json.Marshal(r.Cells)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(r.Changed, string(cells))
}

// The row is the same in whatever order and however often changes arrive.
func TestRowsDoNotDependOnTheOrderOfEvents(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		var changes []change
		for i := range 1 + random.IntN(8) {
			at := time.Duration(random.IntN(6)) * time.Second // few, so that some are equal
			c := remove(fmt.Sprint(i), at)
			if random.IntN(4) > 0 {
				c = edit(fmt.Sprint(i), at, []string{"Stage", "Amount"}[random.IntN(2)], []string{"", "1", "null"}[random.IntN(3)])
			}
			changes = append(changes, c)
		}
		want := text(t, changes)
		changes = append(changes, changes[random.IntN(len(changes))])
		random.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
		if got := text(t, changes); got != want {
			t.Fatalf("in the order %+v\n%s\nin another\n%s", changes, got, want)
		}
	}
}

func TestRows(t *testing.T) {
	for _, test := range []struct {
		name    string
		changes []change
		want    string // Stage; empty if unknown
		gone    bool
	}{
		{name: "an older edit that arrives late changes nothing", changes: []change{edit("a", 2, "Stage", `"new"`), edit("b", 1, "Stage", `"old"`)}, want: `"new"`},
		{name: "an edit of another field leaves the value", changes: []change{edit("a", 1, "Stage", `"old"`), edit("b", 2, "Amount", `5`)}, want: `"old"`},
		{name: "a value that was changed to something unknown is not shown", changes: []change{edit("a", 1, "Stage", `"old"`), edit("b", 2, "Stage", "")}},
		{name: "a field that was emptied is known to be empty", changes: []change{edit("a", 1, "Stage", `"old"`), edit("b", 2, "Stage", "null")}, want: "null"},
		{name: "a deleted deal is gone, also when an older edit follows", changes: []change{remove("a", 2), edit("b", 1, "Stage", `"old"`)}, gone: true},
		{name: "a restored deal has what was reported since", changes: []change{edit("a", 1, "Stage", `"old"`), remove("b", 2), edit("c", 3, "Amount", "5")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, changes := range [][]change{test.changes, reversed(test.changes)} {
				var r row
				for _, c := range changes {
					r.apply("7", c)
				}
				if got := string(r.Cells["Stage"].Value); got != test.want || r.alive() == test.gone {
					t.Errorf("Stage is %s, the deal there: %t", got, r.alive())
				}
			}
		})
	}
}

func reversed(changes []change) []change {
	changes = slices.Clone(changes)
	slices.Reverse(changes)
	return changes
}

// A repair reads a record, whose last change has a precision of a second. It must not be hidden by a callback of an earlier change in
// that second.
func TestARecordThatWasReadCountsAsTheEndOfItsSecond(t *testing.T) {
	message := func(id, at, origin, stage string) change {
		c, err := read(nats.Header{"content-type": {"application/cloudevents+json"}}, fmt.Appendf(nil,
			`{"specversion":"1.0","id":%q,"source":"/deals","type":"crm.zoho.Deals.edit","time":%q,"crmorigin":%q,"data":{"operation":"edit","ids":["7"],"values":{"7":{"Stage":%q}}}}`, id, at, origin, stage))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	var r row
	for _, c := range []change{
		message("a", "2026-11-21T12:00:00.2Z", "live", "first"),
		message("b", "2026-11-21T12:00:00Z", "repair", "last of that second"),
		message("c", "2026-11-21T12:00:00.3Z", "live", "second"),
	} {
		r.apply("7", c)
	}
	if got := string(r.Cells["Stage"].Value); got != `"last of that second"` {
		t.Error(got)
	}
}
