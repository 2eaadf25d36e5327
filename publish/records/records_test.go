package records_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// A consumer sees a record made, changed and deleted, each time with what it was before.
func TestStatesOfARecord(t *testing.T) {
	h := open(t, 10)
	h.keep()
	h.ready()
	h.tell(change{id: "1", operation: "create", at: h.set("1", "New")})
	h.settled()
	h.tell(change{id: "1", operation: "edit", at: h.set("1", "Won")})
	h.settled()
	h.tell(change{id: "1", operation: "edit"}) // nothing has changed
	h.settled()
	h.tell(change{id: "1", operation: "delete", at: h.remove("1")})
	h.settled()
	h.tell(change{id: "1", operation: "edit", at: h.set("1", "Back")})
	h.settled()
	got := h.states()["1"]
	want := []string{"create", "edit", "delete", "edit"}
	if len(got) != len(want) {
		t.Fatalf("%d states: %+v", len(got), got)
	}
	before := "null"
	for i, state := range got {
		if state.Operation != want[i] || text(state.Before) != before {
			t.Errorf("state %d is %s from %s, and not %s from %s", i, state.Operation, state.Before, want[i], before)
		}
		before = text(state.After)
	}
	if got[1].ChangedBy != "7" || len(got[1].Causes) != 1 || got[1].Causes[0].ID != "e2" || fmt.Sprint(got[1].Changed) != "[Modified_Time Stage]" {
		t.Errorf("the edit is %+v", got[1])
	}
}

// A backfill fills the table without a read of its own, and takes no record back to what it was when the list was read.
func TestSnapshot(t *testing.T) {
	h := open(t, 10)
	h.keep()
	h.ready()
	old := h.set("1", "Old")
	values := h.records["1"].Values
	h.tell(change{id: "2", operation: "edit", at: h.set("2", "Listed"), values: h.records["2"].Values, origin: schemas.Backfill})
	h.settled()
	if h.reads != 0 {
		t.Errorf("%d reads for a record that the event holds", h.reads)
	}
	h.tell(change{id: "1", operation: "edit", at: h.set("1", "New")})
	h.settled()
	h.tell(change{id: "1", operation: "edit", at: old, values: values, origin: schemas.Backfill})
	h.settled()
	got := h.states()
	if two := got["2"]; len(two) != 1 || two[0].Operation != schemas.Snapshot {
		t.Errorf("the listed record is %+v", two)
	}
	if one := got["1"]; len(one) != 1 || one[0].Operation != schemas.Edit {
		t.Errorf("the record that has changed since is %+v", one)
	}
}

// A state that is older than a mask shows what is masked to nobody else: the next state begins without it.
func TestMaskSetLater(t *testing.T) {
	h := open(t, 10)
	_, stop := h.keep()
	h.ready()
	h.tell(change{id: "1", operation: "create", at: h.set("1", "Secret")})
	h.settled()
	stop()
	h.clean = func(values json.RawMessage) (json.RawMessage, error) {
		return bytes.ReplaceAll(values, []byte("Secret"), []byte("masked")), nil
	}
	h.keep()
	h.tell(change{id: "1", operation: "edit", at: h.set("1", "Open")})
	h.settled()
	states := h.states()["1"]
	if last := states[len(states)-1]; len(states) != 2 || strings.Contains(text(last.Before), "Secret") || !strings.Contains(text(last.Before), "masked") {
		t.Errorf("the state begins with %s", last.Before)
	}
}

// A bulk change costs a read for each hundred records.
func TestBulk(t *testing.T) {
	h := open(t, 1)
	h.delay = 20 * time.Millisecond
	h.keep()
	h.ready()
	const n = 3000
	for i := range n {
		id := fmt.Sprint(i)
		h.tell(change{id: id, operation: "edit", at: h.set(id, "Bulk")})
	}
	h.settled()
	if len(h.states()) != n || h.reads > n/100+n/200 {
		t.Errorf("%d records by %d reads", len(h.states()), h.reads)
	}
}

// However records change, are deleted, come back, and however reads fail, two replicas race or restart: in the end the table is the CRM,
// no state was followed by an older one, and each begins where the last has ended.
func TestTableEqualsTheCRM(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			testTable(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func testTable(t *testing.T, random *rand.Rand) {
	h := open(t, -1)
	if h.mode = publish.Structured; random.IntN(2) == 0 {
		h.mode = publish.Binary
	}
	failing := rand.New(rand.NewPCG(random.Uint64(), 2))
	h.delay, h.fails = 2*time.Millisecond, func() error {
		if failing.IntN(6) == 0 {
			return errors.New("the API is away")
		}
		return nil
	}
	_, stopOne := h.keep()
	_, stopTwo := h.keep()
	h.ready()
	var late []change
	for i := range 600 {
		id := fmt.Sprint(random.IntN(20))
		c := change{id: id, operation: "edit"}
		switch random.IntN(8) {
		case 0:
			c.operation, c.at = "delete", h.remove(id)
		default:
			c.at = h.set(id, fmt.Sprint(i))
		}
		switch random.IntN(10) {
		case 0: // the callback comes later, after others
			late = append(late, c)
		case 1:
			h.tell(c)
			h.tell(c) // twice
		default:
			h.tell(c)
		}
		if len(late) > 3 {
			h.tell(late[0])
			late = late[1:]
		}
		if i%150 == 75 {
			stopOne()
			_, stopOne = h.keep()
		}
	}
	for _, c := range late {
		h.tell(c)
	}
	stopTwo()
	h.settled()
	all := h.states()
	for id := range 20 {
		states := all[fmt.Sprint(id)]
		record, exists := h.records[fmt.Sprint(id)]
		if len(states) == 0 {
			t.Errorf("record %d has no state", id)
			continue
		}
		if last := states[len(states)-1]; exists != (text(last.After) != "null") || exists && text(last.After) != text(record.Values) {
			t.Errorf("record %d is %s, and its state %s of %s", id, record.Values, last.After, last.ModifiedAt)
		}
		for i := 1; i < len(states); i++ {
			if states[i].ModifiedAt.Before(states[i-1].ModifiedAt) {
				t.Errorf("record %d went back: %+v", id, states[i-1:i+1])
			}
			if text(states[i].Before) != text(states[i-1].After) {
				t.Errorf("record %d: a state begins with %s, and the last ended with %s", id, states[i].Before, states[i-1].After)
			}
		}
	}
}
