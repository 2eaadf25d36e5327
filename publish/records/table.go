package records

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// Table is the stream of records: a subject for each, whose last message is its state. Set the fields once.
type Table struct {
	Stream string // such as CRM_RECORDS
	Prefix string // of the subjects of events
	Mode   publish.Mode
	// Schema is the dataschema of states.
	Schema string
	// Ensure makes the stream, or checks that it fits. It is called for each connection.
	Ensure func(ctx context.Context, conn *publish.Conn) error
	Commit publish.Commit // returns when what is stored would survive a power cut; nil: its acknowledgement says so

	ensured atomic.Pointer[publish.Conn]
}

// Key names a record.
type Key struct{ Provider, Account, Module, ID string }

// Subject returns the subject of a record's states.
func Subject(prefix string, k Key) string {
	return strings.Join([]string{prefix + "-records", k.Provider, token(k.Account), k.Module, token(k.ID)}, ".")
}

// token writes bytes that a token of a subject should not have as =XX.
func token(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		if b == '-' || b == '_' || '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, "=%02X", b)
		}
	}
	return out.String()
}

// held is the last state of a record.
type held struct {
	schemas.Record
	sequence uint64
	readAt   time.Time // when the CRM was asked, or the event came that held it
}

func (t *Table) ensure(ctx context.Context, conn *publish.Conn) error {
	if t.ensured.Load() == conn {
		return nil
	}
	err := t.Ensure(ctx, conn)
	if err == nil {
		t.ensured.Store(conn)
	}
	return err
}

func (t *Table) commit(ctx context.Context) error {
	if t.Commit == nil {
		return nil
	}
	return t.Commit(ctx)
}

// last returns the last states of records that have one.
func (t *Table) last(ctx context.Context, conn *publish.Conn, items []*item) (map[Key]*held, error) {
	subjects, keys := make([]string, len(items)), make(map[string]Key, len(items))
	for n, i := range items {
		subjects[n] = Subject(t.Prefix, i.key)
		keys[subjects[n]] = i.key
	}
	kept, err := conn.Last(ctx, t.Stream, subjects)
	if err != nil {
		return nil, err
	}
	last := make(map[Key]*held, len(kept))
	for subject, message := range kept {
		if last[keys[subject]], err = readState(message); err != nil {
			return nil, fmt.Errorf("stream %s, message %d: %w", t.Stream, message.Sequence, err)
		}
	}
	return last, nil
}

func readState(message publish.Kept) (*held, error) {
	e, err := message.Event()
	if err != nil {
		return nil, err
	}
	h := &held{sequence: message.Sequence}
	if err := json.Unmarshal(e.Data(), &h.Record); err != nil {
		return nil, fmt.Errorf("not a record's state: %w", err)
	}
	if text, ok := e.Extensions()["recordedtime"].(string); ok {
		h.readAt, _ = time.Parse(time.RFC3339Nano, text)
	}
	return h, nil
}

// state is a state that is to be published, made from the last one.
type state struct {
	record schemas.Record
	source string
	readAt time.Time
	last   uint64
}

// publish publishes states, and returns the error of each.
func (t *Table) publish(ctx context.Context, conn *publish.Conn, states []state) []error {
	errs, events, places := make([]error, len(states)), make([]publish.Expecting, 0, len(states)), make([]int, 0, len(states))
	for n, s := range states {
		e, err := s.event(t.Schema)
		if err != nil {
			errs[n] = err
			continue
		}
		key := Key{s.record.Provider, s.record.Account, s.record.Module, s.record.ID}
		events, places = append(events, publish.Expecting{Subject: Subject(t.Prefix, key), Last: s.last, Event: e}), append(places, n)
	}
	for n, err := range conn.PublishExpecting(ctx, events, t.Mode) {
		errs[places[n]] = err
	}
	return errs
}

// event returns the CloudEvent of a state.
func (s *state) event(schema string) (*cloudevent.Event, error) {
	r := &s.record
	var data bytes.Buffer
	write := json.NewEncoder(&data)
	write.SetEscapeHTML(false)
	if err := write.Encode(r); err != nil {
		return nil, err
	}
	source, err := cloudevent.Reference(s.source)
	if err != nil {
		return nil, err
	}
	e := &cloudevent.Event{
		ID: newID(), Source: source, Type: "crm.record." + r.Provider + "." + r.Module, Subject: r.ID, DataSchema: schema, Time: r.ModifiedAt, Data: bytes.TrimSpace(data.Bytes()),
		Extensions: []cloudevent.Extension{
			{Name: "crmaccount", Value: r.Account}, {Name: "crmmodule", Value: r.Module}, {Name: "crmoperation", Value: r.Operation},
			{Name: "crmprovider", Value: r.Provider}, {Name: "partitionkey", Value: r.Provider + "/" + r.Account + "/" + r.Module + "/" + r.ID},
			{Name: "recordedtime", Value: s.readAt.UTC().Format(time.RFC3339Nano)},
		},
	}
	if e.Time.IsZero() {
		e.Time = s.readAt.UTC()
	}
	return e, e.Validate()
}
