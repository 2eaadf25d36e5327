// Package publish stores events in NATS JetStream and reads them back.
// It knows CloudEvents and NATS, but neither CRMs nor HTTP.
package publish

import (
	"fmt"
	"net/textproto"
	"net/url"
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
	msg := &nats.Msg{Subject: subject}
	if mode == Binary {
		msg.Header, msg.Data = e.Headers(), e.Data
	} else {
		msg.Header = nats.Header{cloudevent.ContentType: {cloudevent.MediaType}}
		msg.Data = e.AppendJSON(make([]byte, 0, e.Size()))
	}
	if trace := e.Extension(traceParent); trace != "" {
		msg.Header[traceParent] = []string{trace}
	}
	return msg
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
