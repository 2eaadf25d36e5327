package records_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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
	clean func(json.RawMessage) (json.RawMessage, error) // nil: everything may be stored
	mode  publish.Mode
	conn  *publish.Conn
	js    jetstream.JetStream
	sent  int
	t     *testing.T
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
		Reach:  func() (*publish.Conn, error) { return h.conn, nil },
		Table:  &records.Table{Mode: h.mode, Stream: "CRM_RECORDS", Prefix: "crm", Schema: schemas.URN("record"), Ensure: func(context.Context, *publish.Conn) error { return nil }},
		Reader: func(_, _ string) ingest.Reader { return h.crm },
		Whole:  wholeIn,
		Clean: func(_, _ string, values json.RawMessage) (json.RawMessage, error) {
			if h.clean != nil {
				return h.clean(values)
			}
			return values, nil
		},
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
