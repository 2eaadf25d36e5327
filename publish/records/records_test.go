package records_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/records"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// crm is a CRM in memory, whose clock ticks with each change.
type crm struct {
	mu      sync.Mutex
	now     time.Time
	records map[string]ingest.Record
	fails   func() error // of a read; nil: none does
	delay   time.Duration
	reads   int
}

func newCRM() *crm {
	return &crm{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), records: map[string]ingest.Record{}}
}

// set creates or changes a record, and returns when.
func (c *crm) set(id, stage string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	values, _ := json.Marshal(map[string]any{"id": id, "Stage": stage, "Modified_Time": c.now})
	c.records[id] = ingest.Record{ID: id, Values: values, ModifiedAt: c.now, ChangedBy: "7"}
	return c.now
}

func (c *crm) remove(id string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	delete(c.records, id)
	return c.now
}

func (c *crm) Read(ctx context.Context, _, _ string, ids []string) (ingest.Found, error) {
	c.mu.Lock()
	c.reads++
	found := ingest.Found{Records: map[string]ingest.Record{}}
	for _, id := range ids {
		if record, ok := c.records[id]; ok {
			found.Records[id] = record
		}
	}
	var err error
	if c.fails != nil {
		err = c.fails()
	}
	c.mu.Unlock()
	select { // the answer is on its way while the record changes
	case <-time.After(c.delay):
	case <-ctx.Done():
		return found, ctx.Err()
	}
	return found, err
}

// house is a NATS server with the streams, and a CRM.
type house struct {
	*crm
	mode publish.Mode
	conn *publish.Conn
	js   jetstream.JetStream
	sent int
	t    *testing.T
}

func open(t *testing.T, history int64) *house {
	_, conn := publishtest.Serve(t, nil)
	h := &house{crm: newCRM(), conn: conn, js: conn.JetStream(), t: t}
	publishtest.EnsureStream(t, conn, "CRM", "crm.>")
	if _, err := h.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "CRM_RECORDS", Subjects: []string{"crm-records.>"}, MaxMsgsPerSubject: history, AllowDirect: true,
	}); err != nil {
		t.Fatal(err)
	}
	return h
}

// keep runs a replica until stop is called or the test ends.
func (h *house) keep() (k *records.Keeper, stop func()) {
	k = &records.Keeper{
		Provider: "acme", Modules: []string{"Deals"}, Stream: "CRM", Prefix: "crm",
		Reach:   func() (*publish.Conn, error) { return h.conn, nil },
		Table:   &records.Table{Mode: h.mode, Stream: "CRM_RECORDS", Prefix: "crm", Schema: schemas.URN("record"), Ensure: func(context.Context, *publish.Conn) error { return nil }},
		Reader:  func(_, _ string) ingest.Reader { return h.crm },
		Whole:   wholeIn,
		Clean:   func(_, _ string, values json.RawMessage) (json.RawMessage, error) { return values, nil },
		Metrics: records.NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	h.t.Cleanup(stop)
	return k, stop
}

// ready waits until the consumer of the replicas is there.
func (h *house) ready() {
	h.t.Helper()
	h.until("the consumer is there", func() bool {
		_, err := h.js.Consumer(context.Background(), "CRM", "crm-bridge-records-acme")
		return err == nil
	})
}

func (h *house) until(what string, done func() bool) {
	h.t.Helper()
	for limit := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			h.t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// change is an event about a record; values: the whole of it.
type change struct {
	id, operation string
	at            time.Time
	values        json.RawMessage
	origin        string
}

// tell stores the event of a change.
func (h *house) tell(c change) {
	h.t.Helper()
	h.sent++
	family, origin := "acme-webhooks", schemas.Live
	data := schemas.Change{Provider: "acme", Account: "org", Module: "Deals", Operation: c.operation, IDs: []string{c.id}, OccurredAt: c.at}
	if c.values != nil {
		data.Values, family = map[string]json.RawMessage{c.id: c.values}, "acme-records"
	}
	if c.origin != "" {
		origin = c.origin
	}
	text, err := json.Marshal(data)
	if err != nil {
		h.t.Fatal(err)
	}
	e := &cloudevent.Event{
		ID: fmt.Sprintf("e%d", h.sent), Source: "https://acme.example/Deals", Type: "crm.acme.Deals." + c.operation, Subject: c.id,
		DataSchema: schemas.URN(family), Time: time.Now().UTC(), Data: text,
		Extensions: []cloudevent.Extension{{Name: "crmorigin", Value: origin}, {Name: "recordedtime", Value: time.Now().UTC().Format(time.RFC3339Nano)}},
	}
	if _, err := h.js.PublishMsg(context.Background(), publish.Message("crm.acme.Deals."+c.operation, e, publish.Structured)); err != nil {
		h.t.Fatal(err)
	}
}

// settled waits until every event is acknowledged.
func (h *house) settled() {
	h.t.Helper()
	h.until("every event is acknowledged", func() bool {
		consumer, err := h.js.Consumer(context.Background(), "CRM", "crm-bridge-records-acme")
		if err != nil {
			return false
		}
		info := consumer.CachedInfo()
		return info.NumPending == 0 && info.NumAckPending == 0 && info.AckFloor.Stream >= uint64(h.sent)
	})
}

// states returns every stored state, by record, oldest first.
func (h *house) states() map[string][]schemas.Record {
	h.t.Helper()
	all := map[string][]schemas.Record{}
	set, err := schemas.Load()
	if err != nil {
		h.t.Fatal(err)
	}
	stream, err := h.js.Stream(context.Background(), "CRM_RECORDS")
	if err != nil {
		h.t.Fatal(err)
	}
	state := stream.CachedInfo().State
	for sequence := state.FirstSeq; sequence <= state.LastSeq && state.Msgs > 0; sequence++ {
		msg, err := stream.GetMsg(context.Background(), sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			h.t.Fatal(err)
		}
		e, err := publish.ParseEvent(msg.Header, msg.Data)
		var record schemas.Record
		if err := errors.Join(err, json.Unmarshal(e.Data(), &record)); err != nil {
			h.t.Fatal(err)
		}
		if err := set.Check(schemas.RecordFamily, e.Data()); err != nil {
			h.t.Errorf("%v: %s", err, e.Data())
		}
		all[record.ID] = append(all[record.ID], record)
	}
	return all
}

// wholeIn returns the record that a listed change holds.
func wholeIn(family, _ string, values json.RawMessage) (ingest.Record, bool) {
	var of struct {
		ModifiedAt time.Time `json:"Modified_Time"`
	}
	err := json.Unmarshal(values, &of)
	return ingest.Record{Values: values, ModifiedAt: of.ModifiedAt, ChangedBy: "7"}, err == nil && family == "acme-records"
}

// text is a record as it can be compared.
func text(raw json.RawMessage) string {
	if raw == nil {
		return "null"
	}
	return string(raw)
}

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
