package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// maxShown bounds the bytes of an event that a page shows.
const maxShown = 256 << 10

// attribute is a name with its value.
type attribute struct{ Name, Value string }

// eventView is what the template event shows.
type eventView struct {
	eventRow
	Stream     string
	Attributes []attribute
	Data       string // indented
	Raw        string // the event as JSON, or the message as it is
	Cut        int    // bytes that the event has, where that is more than is shown; 0: it is shown whole
	Consumers  []progress
	Unknown    string // why the consumers cannot be listed
}

// progress is how far a consumer is with the event.
type progress struct {
	consumers.Consumer
	Is string
}

// event shows one event.
func (e EventPages) event(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), viewTimeout)
	defer cancel()
	sequence, err := strconv.ParseUint(r.URL.Query().Get("sequence"), 10, 64)
	if err != nil || sequence == 0 {
		return nil, fmt.Errorf("%w: give the sequence of an event", ErrNotFound)
	}
	stored, err := e.Get(ctx, sequence)
	if errors.Is(err, publish.ErrNoMessage) {
		return nil, fmt.Errorf("%w: stream %s holds no event of the sequence %d; it never did, or it has expired or was erased", ErrNotFound, e.Stream, sequence)
	}
	if err != nil {
		return nil, err
	}
	view := eventView{eventRow: rowOf(stored), Stream: e.Stream}
	view.fill(stored)
	all, err := e.Consumers(ctx)
	if err != nil {
		view.Unknown = sentence(err)
	}
	for _, one := range slices.DeleteFunc(all, passing) {
		if is := one.Progress(stored); is != consumers.Unread {
			view.Consumers = append(view.Consumers, progress{one, string(is)})
		}
	}
	return view, nil
}

// fill fills in what the message holds.
func (v *eventView) fill(stored publish.Stored) {
	raw := stored.Data
	if text, err := stored.JSON(); err == nil {
		raw = text
	}
	if len(raw) > maxShown {
		v.Cut = len(raw)
		return
	}
	v.Raw = string(terminal.VisibleJSON(raw))
	e, err := stored.Event()
	if err != nil {
		v.Problem = sentence(err)
		return
	}
	v.Data = shownJSON(e.Data())
	v.Attributes = attributesOf(e)
}

// shownJSON returns JSON indented, with what a person does not see as escapes.
func shownJSON(raw []byte) string {
	return string(terminal.VisibleJSON([]byte(pretty(bytes.TrimSpace(raw)))))
}

// attributesOf returns the attributes of an event that the page does not show elsewhere, as the specification orders them.
func attributesOf(e event.Event) (all []attribute) {
	add := func(name, value string) {
		if value != "" {
			all = append(all, attribute{name, terminal.Visible(value)})
		}
	}
	add("id", e.ID())
	add("type", e.Type())
	add("source", e.Source())
	add("subject", e.Subject())
	if !e.Time().IsZero() {
		add("time", e.Time().UTC().Format(time.RFC3339Nano))
	}
	add("dataschema", e.DataSchema())
	for _, name := range slices.Sorted(maps.Keys(e.Extensions())) {
		add(name, fmt.Sprint(e.Extensions()[name]))
	}
	return all
}
