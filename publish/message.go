// Package publish stores events in NATS JetStream and reads them back.
// It knows CloudEvents and NATS, but neither CRMs nor HTTP.
package publish

import (
	"fmt"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// Mode is a content mode of CloudEvents' NATS binding.
type Mode string

// The content modes.
const (
	Structured Mode = "structured" // the whole event is the message's JSON
	Binary     Mode = "binary"     // the event's attributes are headers, its data is the message
)

// Decode reads a mode from an environment variable.
func (m *Mode) Decode(value string) error {
	switch mode := Mode(strings.ToLower(value)); mode {
	case Structured, Binary:
		*m = mode
		return nil
	}
	return fmt.Errorf("must be %s or %s", Structured, Binary)
}

const traceParent = "traceparent" // extension of the event, and header of its message, so that a consumer's tracing goes on

// Message returns e as a NATS message for subject.
func Message(subject string, e *cloudevent.Event, mode Mode) *nats.Msg {
	m := &message{}
	m.write(subject, e, mode)
	return &m.Msg
}

// message is a NATS message whose memory can be used again once it was sent: nats.go copies what it sends.
type message struct {
	nats.Msg
	values []string // of headers
	buffer []byte   // of the event, in the structured mode
}

// write makes an empty message that of an event.
func (m *message) write(subject string, e *cloudevent.Event, mode Mode) {
	m.Subject = subject
	if mode == Binary {
		m.Header, m.Data = e.Headers(), e.Data
	} else {
		m.buffer = e.AppendJSON(slices.Grow(m.buffer, e.Size()))
		m.Data = m.buffer
		m.set(cloudevent.ContentType, cloudevent.MediaType)
	}
	if trace := e.Extension(traceParent); trace != "" {
		m.set(traceParent, trace)
	}
}

// set sets a header.
func (m *message) set(name, value string) {
	if m.Header == nil {
		m.Header = nats.Header{}
	}
	m.values = append(m.values, value)
	last := len(m.values)
	m.Header[name] = m.values[last-1 : last : last]
}

// reset makes the message empty.
func (m *message) reset() {
	clear(m.Header)
	clear(m.values) // the event is not kept
	*m = message{Msg: nats.Msg{Header: m.Header}, values: m.values[:0], buffer: m.buffer[:0]}
}

// unescaped reads a percent-encoded header value; a value that holds any other percent sign is kept.
func unescaped(value string) string {
	if text, err := url.PathUnescape(value); err == nil {
		return text
	}
	return value
}

// ParseEvent reads an event of either content mode.
func ParseEvent(header map[string][]string, data []byte) (event.Event, error) {
	e := event.New()
	get := func(name string) string {
		if values := header[name]; len(values) > 0 {
			return values[0]
		}
		return textproto.MIMEHeader(header).Get(name)
	}
	if format.IsFormat(get(cloudevent.ContentType)) {
		if err := format.JSON.Unmarshal(data, &e); err != nil {
			return e, fmt.Errorf("decode event: %w", err)
		}
		return e, nil
	}
	if get(cloudevent.AttributePrefix+"specversion") == "" {
		return e, fmt.Errorf("not a CloudEvent: neither a content-type of %s nor ce- headers", cloudevent.MediaType)
	}
	for key, values := range header {
		if name, ok := strings.CutPrefix(strings.ToLower(key), cloudevent.AttributePrefix); ok && len(values) > 0 {
			setAttribute(&e, name, unescaped(values[0]))
		}
	}
	err := e.SetData(get(cloudevent.ContentType), data)
	e.DataBase64 = false // SetData treats any []byte as binary data
	return e, err
}

func setAttribute(e *event.Event, name, value string) {
	switch name {
	case "specversion":
		e.SetSpecVersion(value)
	case "id":
		e.SetID(value)
	case "source":
		e.SetSource(value)
	case "type":
		e.SetType(value)
	case "subject":
		e.SetSubject(value)
	case "dataschema":
		e.SetDataSchema(value)
	case "time":
		if t, err := types.ParseTime(value); err == nil {
			e.SetTime(t)
		}
	default:
		e.SetExtension(name, value)
	}
}
