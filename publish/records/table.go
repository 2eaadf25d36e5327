package records

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/crm-bridge/crm-bridge/publish"
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
func (t *Table) last(ctx context.Context, conn *publish.Conn, records []Key) (map[Key]*held, error) {
	subjects, keys := make([]string, len(records)), make(map[string]Key, len(records))
	for n, key := range records {
		subjects[n] = Subject(t.Prefix, key)
		keys[subjects[n]] = key
	}
	kept, err := conn.Last(ctx, t.Stream, subjects)
	if err != nil {
		return nil, err
	}
	last := make(map[Key]*held, len(kept))
	for subject, message := range kept {
		last[keys[subject]] = readState(message)
	}
	return last, nil
}

// errMalformed says that a record cannot be made a state.
var errMalformed = errors.New("malformed")

// publish publishes states, and returns the error of each.
func (t *Table) publish(ctx context.Context, conn *publish.Conn, states []state) []error {
	errs, events, places := make([]error, len(states)), make([]publish.Expecting, 0, len(states)), make([]int, 0, len(states))
	for n, s := range states {
		e, err := s.event(t.Schema)
		if err != nil {
			errs[n] = fmt.Errorf("%w: %w", errMalformed, err)
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
