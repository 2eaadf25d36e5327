// Package transform makes CloudEvents of changes, in one place for all CRMs, and takes the secrets out of them.
// Nothing here knows of HTTP or NATS.
package transform

import (
	"fmt"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// Mapping makes events of changes. Set the fields once.
type Mapping struct {
	Schemas   schemas.Set
	Redact    *Redactor
	PublicURL string // where schemas are served; empty: a URN names them
	PerRecord bool   // one event for each record id of a change
}

// Events returns the events of a change, in the order of its record ids. Its errors wrap ingest.ErrMalformed: what
// does not make a valid event was not understood.
func (m *Mapping) Events(change ingest.Change) ([]event.Event, error) {
	events, err := m.events(change)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ingest.ErrMalformed, err)
	}
	return events, nil
}

// maxSplit bounds what the events of one callback may come to: each record's event holds the whole callback.
const maxSplit = 32 << 20

func (m *Mapping) events(change ingest.Change) ([]event.Event, error) {
	clean := m.Redact.For(change.Source, change.NativeBody, change.NativeQuery, change.NativeXML)
	if err := m.Redact.routable(change); err != nil {
		return nil, err
	}
	native, err := clean.native(change)
	if err != nil {
		return nil, err
	}
	changes := []ingest.Change{change}
	if m.PerRecord && len(change.IDs) > 1 {
		if changes = split(change); len(changes)*len(native) > maxSplit {
			return nil, fmt.Errorf("one event for each of %d records would come to more than %d MiB", len(changes), maxSplit>>20)
		}
	}
	events := make([]event.Event, len(changes))
	for i, c := range changes {
		if events[i], err = m.event(c, clean, native); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func (m *Mapping) event(c ingest.Change, clean *Cleaner, native []byte) (event.Event, error) {
	data, err := encode(c, clean, native)
	if err != nil {
		return event.Event{}, err
	}
	if err := m.Schemas.Check(c.Source, data); err != nil {
		return event.Event{}, fmt.Errorf("the event's data departs from its schema: %w", err)
	}
	id, err := ID(c)
	if err != nil {
		return event.Event{}, err
	}
	e := event.New(event.CloudEventsVersionV1)
	e.SetID(id)
	e.SetType("crm." + c.Provider + "." + c.Module + "." + c.Operation)
	e.SetSource(clean.Text(c.Collection))
	e.SetTime(happened(c))
	e.SetDataSchema(m.dataSchema(c.Source))
	if len(c.IDs) == 1 {
		e.SetSubject(c.IDs[0])
	}
	e.SetExtension("crmprovider", c.Provider)
	e.SetExtension("crmmodule", c.Module)
	e.SetExtension("crmoperation", c.Operation)
	if c.Account != "" {
		e.SetExtension("crmaccount", c.Account)
	}
	e.SetExtension("crmorigin", string(c.Origin))
	if c.Channel != "" {
		e.SetExtension("crmchannel", c.Channel)
	}
	if c.TraceParent != "" {
		e.SetExtension("traceparent", c.TraceParent)
	}
	if err := e.SetData(event.ApplicationJSON, data); err != nil {
		return event.Event{}, err
	}
	e.DataBase64 = false // SetData takes any []byte for bytes that JSON cannot hold
	return e, e.Validate()
}

// routable returns an error if a configured secret stands where a subject or an attribute would be made of it.
func (r *Redactor) routable(c ingest.Change) error {
	parts := [][2]string{{"module", c.Module}, {"operation", c.NativeOperation}, {"operation", c.Operation}, {"channel", c.Channel}, {"account", c.Account}}
	for _, id := range c.IDs {
		parts = append(parts, [2]string{"record id", id})
	}
	for _, part := range parts {
		if maskValues(part[1], r.values) != part[1] {
			return fmt.Errorf("a secret stands in the place of the %s", part[0])
		}
	}
	return nil
}

func (m *Mapping) dataSchema(family string) string {
	if m.PublicURL == "" {
		return schemas.URN(family)
	}
	return m.PublicURL + schemas.Path(family)
}

// split makes a change for each record id, with that record's fields and values.
func split(c ingest.Change) []ingest.Change {
	each := make([]ingest.Change, 0, len(c.IDs))
	seen := make(map[string]bool, len(c.IDs))
	for _, id := range c.IDs {
		if seen[id] {
			continue
		}
		seen[id] = true
		one := c
		one.IDs, one.Fields, one.Values = []string{id}, nil, nil
		if c.GivenID != "" {
			one.GivenID = c.GivenID + ":" + id
		}
		if names, ok := c.Fields[id]; ok {
			one.Fields = map[string][]string{id: names}
		}
		if values, ok := c.Values[id]; ok {
			one.Values = map[string]rawJSON{id: values}
		}
		each = append(each, one)
	}
	return each
}

func happened(c ingest.Change) time.Time {
	if c.OccurredAt.IsZero() {
		return c.ReceivedAt
	}
	return c.OccurredAt
}

func timestamp(t time.Time) string { return types.FormatTime(t) }
