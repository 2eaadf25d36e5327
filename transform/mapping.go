// Package transform makes CloudEvents of the changes of all CRMs, and redacts secrets in them and in quarantined callbacks.
// Nothing here knows of HTTP or NATS.
package transform

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// Mapping makes events of changes. Set the fields once.
type Mapping struct {
	Schemas   schemas.Set
	Redact    *Redactor
	Masks     *Masks
	PublicURL string // where schemas are served; empty: dataschema is a URN
	PerRecord bool   // one event for each record id of a change, with a partitionkey
}

// Events returns the events of a change, in the order of its record ids. Its errors wrap ingest.ErrMalformed.
func (m *Mapping) Events(change ingest.Change) ([]cloudevent.Event, error) {
	events, err := m.events(change)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ingest.ErrMalformed, err)
	}
	return events, nil
}

func (m *Mapping) events(change ingest.Change) ([]cloudevent.Event, error) {
	change, err := m.Masks.change(change)
	if err != nil {
		return nil, err
	}
	sent := nativeOf(&change)
	if !sent.isEncoded() {
		clean := m.Redact.cleaner(change.Source, change.Org)
		clean.unsearched = true
		if events, err := m.whole(&change, sent, clean); err == nil && clean.areFree(change.Collection, events) {
			return events, nil
		}
	}
	return m.made(&change, sent, m.Redact.cleaner(change.Source, change.Org))
}

// made returns the events of a change whose native part is sent, as clean leaves them.
func (m *Mapping) made(change *ingest.Change, sent native, clean *cleaner) ([]cloudevent.Event, error) {
	native, err := clean.clean(change.Secrets, plain(change), func() ([]byte, []string, error) {
		return sent.appendTo(make([]byte, 0, sent.size()), clean)
	})
	if err != nil {
		return nil, err
	}
	if err := clean.routable(change); err != nil {
		return nil, err
	}
	changes, parts := []ingest.Change{*change}, natives{whole: native}
	if m.PerRecord {
		changes, parts = split(*change), divide(native, change.Divided, change.IDs)
	}
	if err := fits(changes, parts); err != nil {
		return nil, err
	}
	events := make([]cloudevent.Event, len(changes))
	for i := range changes {
		data, err := encode(&changes[i], clean, parts)
		if err != nil {
			return nil, err
		}
		if events[i], err = m.event(&changes[i], clean, data); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// plain are values that are no secrets, wherever else they stand.
func plain(change *ingest.Change) []string { return []string{change.Account, change.Channel} }

// event returns the event of a change with data.
func (m *Mapping) event(c *ingest.Change, clean *cleaner, data []byte) (cloudevent.Event, error) {
	if err := m.Schemas.Check(c.Source, data); err != nil {
		return cloudevent.Event{}, fmt.Errorf("the event's data violates its schema: %w", err)
	}
	id, err := ID(*c)
	if err != nil {
		return cloudevent.Event{}, err
	}
	source, err := cloudevent.Reference(clean.text(c.Collection))
	if err != nil {
		return cloudevent.Event{}, errors.New("the collection is not a URI")
	}
	e := cloudevent.Event{
		ID: id, Source: source, Type: "crm." + c.Provider + "." + c.Module + "." + c.Operation, DataSchema: m.Schema(c.Source), Time: eventTime(c), Data: data,
	}
	if len(c.IDs) == 1 {
		e.Subject = strings.TrimSpace(c.IDs[0])
	}
	e.Extensions = extensions(c, e.Subject, m.PerRecord)
	return e, e.Validate()
}

// extensions returns the extensions of an event of a record, in the order of their names.
func extensions(c *ingest.Change, record string, perRecord bool) []cloudevent.Extension {
	all := make([]cloudevent.Extension, 0, 8)
	add := func(name, value string) { all = append(all, cloudevent.Extension{Name: name, Value: value}) }
	if c.Account != "" {
		add("crmaccount", c.Account)
	}
	if c.Channel != "" {
		add("crmchannel", c.Channel)
	}
	add("crmmodule", c.Module)
	add("crmoperation", c.Operation)
	add("crmorigin", string(c.Origin))
	add("crmprovider", c.Provider)
	if perRecord && record != "" {
		add("partitionkey", partitionKey(c, record))
	}
	if !c.ReceivedAt.IsZero() {
		add("recordedtime", c.ReceivedAt.UTC().Format(time.RFC3339Nano))
	}
	if c.TraceParent != "" {
		add("traceparent", c.TraceParent)
	}
	return all
}

// partitionKey returns a key that all events of a record share with no other record's: CloudEvents' extension for consumers that
// distribute events over several readers and keep those of each record in order.
func partitionKey(c *ingest.Change, record string) string {
	return c.Provider + "/" + c.Account + "/" + c.Module + "/" + record
}

// routable returns an error if a secret, or a mask, is part of what becomes a subject or an attribute.
func (c *cleaner) routable(change *ingest.Change) error {
	for _, part := range [...]struct{ name, text string }{
		{"module", change.Module}, {"operation", change.NativeOperation}, {"operation", change.Operation}, {"channel", change.Channel}, {"account", change.Account},
	} {
		if c.text(part.text) != part.text {
			return fmt.Errorf("the %s contains a secret", part.name)
		}
	}
	for _, id := range change.IDs {
		if c.isNamed(id) || strings.Contains(id, mask) || c.text(id) != id {
			return errors.New("a record id contains a secret")
		}
	}
	return nil
}

// Schema returns the dataschema of a family.
func (m *Mapping) Schema(family string) string {
	if m.PublicURL == "" {
		return schemas.URN(family)
	}
	return m.PublicURL + schemas.Path(family)
}

func eventTime(c *ingest.Change) time.Time {
	if c.OccurredAt.IsZero() {
		return c.ReceivedAt
	}
	return c.OccurredAt
}
