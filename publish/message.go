// Package publish makes events safe in NATS JetStream and reads them back.
// It knows CloudEvents and NATS; nothing here knows of CRMs or HTTP.
package publish

import (
	"bytes"
	"fmt"
	"net/textproto"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/nats-io/nats.go"
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

const (
	contentType     = "content-type" // lower case: header names are case-sensitive in NATS, and readers look for these
	attributePrefix = "ce-"
)

// Message returns e as a NATS message for subject.
func Message(subject string, e event.Event, mode Mode) (*nats.Msg, error) {
	msg := &nats.Msg{Subject: subject, Header: nats.Header{}}
	if mode != Binary {
		var body bytes.Buffer
		if err := event.WriteJson(&e, &body); err != nil {
			return nil, fmt.Errorf("encode event: %w", err)
		}
		msg.Data = body.Bytes()
		msg.Header[contentType] = []string{format.JSON.MediaType()}
		return msg, nil
	}
	attributes, err := attributes(e)
	if err != nil {
		return nil, err
	}
	for name, value := range attributes {
		msg.Header[attributePrefix+name] = []string{percentEncode(value)}
	}
	msg.Header[contentType] = []string{e.DataContentType()}
	msg.Data = e.Data()
	return msg, nil
}

func attributes(e event.Event) (map[string]string, error) {
	all := map[string]string{
		"specversion": e.SpecVersion(), "id": e.ID(), "source": e.Source(), "type": e.Type(),
	}
	if e.Subject() != "" {
		all["subject"] = e.Subject()
	}
	if e.DataSchema() != "" {
		all["dataschema"] = e.DataSchema()
	}
	if !e.Time().IsZero() {
		all["time"] = types.FormatTime(e.Time())
	}
	for name, value := range e.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			return nil, fmt.Errorf("extension %s: %w", name, err)
		}
		all[name] = text
	}
	return all, nil
}

// percentEncode writes a header value as the NATS binding demands (section 3.1.3.2): space, double quote, percent and
// all beyond printable ASCII as the percent-encoded bytes of its UTF-8.
func percentEncode(value string) string {
	const hex = "0123456789ABCDEF"
	var to strings.Builder
	for i := range len(value) {
		if b := value[i]; b <= ' ' || b >= 0x7f || b == '"' || b == '%' {
			to.Write([]byte{'%', hex[b>>4], hex[b&15]})
		} else {
			to.WriteByte(b)
		}
	}
	return to.String()
}

// percentDecode reads what percentEncode wrote; a percent sign that starts no code stands for itself.
func percentDecode(value string) string {
	if !strings.Contains(value, "%") {
		return value
	}
	to := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		var b byte
		if value[i] == '%' && i+2 < len(value) {
			if n, err := fmt.Sscanf(value[i+1:i+3], "%02x", &b); n == 1 && err == nil {
				to = append(to, b)
				i += 2
				continue
			}
		}
		to = append(to, value[i])
	}
	return string(to)
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
	if format.IsFormat(get(contentType)) {
		if err := format.JSON.Unmarshal(data, &e); err != nil {
			return e, fmt.Errorf("decode event: %w", err)
		}
		return e, nil
	}
	if get(attributePrefix+"specversion") == "" {
		return e, fmt.Errorf("not a CloudEvent: neither a content-type of %s nor ce- headers", format.JSON.MediaType())
	}
	for key, values := range header {
		if name, ok := strings.CutPrefix(strings.ToLower(key), attributePrefix); ok && len(values) > 0 {
			setAttribute(&e, name, percentDecode(values[0]))
		}
	}
	err := e.SetData(get(contentType), data)
	e.DataBase64 = false // SetData takes any []byte for bytes that JSON cannot hold
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
