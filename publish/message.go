// Package publish stores events in NATS JetStream and reads them back.
// It knows CloudEvents and NATS, but neither CRMs nor HTTP.
package publish

import (
	"bytes"
	"fmt"
	"maps"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
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
	traceParent     = "traceparent" // extension of the event, and header of its message, so that a consumer's tracing goes on
)

// Message returns e as a NATS message for subject.
func Message(subject string, e event.Event, mode Mode) (*nats.Msg, error) {
	msg := &nats.Msg{Subject: subject}
	var err error
	if mode == Binary {
		msg.Header, err = attributes(&e)
		msg.Data = e.Data()
	} else {
		msg.Header = nats.Header{contentType: {format.JSON.MediaType()}}
		msg.Data, err = structured(&e)
	}
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	if trace, ok := e.Extensions()[traceParent].(string); ok && trace != "" {
		msg.Header[traceParent] = []string{trace}
	}
	return msg, nil
}

// structured returns e as the SDK writes it, byte for byte: written here where its data is JSON and its extensions are strings, which
// is much faster, else by the SDK. Attributes that are not UTF-8 become so here.
func structured(e *event.Event) ([]byte, error) {
	of, ok := e.Context.(*event.EventContextV1)
	if !ok || of.DataContentType == nil || *of.DataContentType != event.ApplicationJSON || e.DataBase64 || e.DataEncoded == nil {
		return bySDK(e)
	}
	out := make([]byte, 0, len(e.DataEncoded)+640)
	out = jsontext.AppendMember(append(out, `{"specversion":"1.0"`...), "id", of.ID)
	out = jsontext.AppendMember(out, "source", of.Source.String())
	out = jsontext.AppendMember(out, "type", of.Type)
	if of.Subject != nil {
		out = jsontext.AppendMember(out, "subject", *of.Subject)
	}
	out = jsontext.AppendMember(out, "datacontenttype", *of.DataContentType)
	if of.DataSchema != nil {
		out = jsontext.AppendMember(out, "dataschema", of.DataSchema.String())
	}
	if of.Time != nil {
		out = jsontext.AppendMember(out, "time", of.Time.String())
	}
	out = append(append(out, `,"data":`...), e.DataEncoded...)
	names := slices.AppendSeq(make([]string, 0, len(of.Extensions)), maps.Keys(of.Extensions))
	slices.Sort(names)
	for _, name := range names {
		text, ok := of.Extensions[name].(string)
		if !ok {
			return bySDK(e)
		}
		out = jsontext.AppendString(append(append(append(out, `,"`...), name...), `":`...), text) // the data may not be JSON
	}
	return append(out, '}'), nil
}

func bySDK(e *event.Event) ([]byte, error) {
	var body bytes.Buffer
	err := event.WriteJson(e, &body)
	return body.Bytes(), err
}

// attributes returns the headers of the binary mode.
func attributes(e *event.Event) (nats.Header, error) {
	extensions := e.Extensions()
	all := make(nats.Header, 9+len(extensions))
	add := func(name, value string) { all[attributePrefix+name] = []string{percentEncode(value)} }
	add("specversion", e.SpecVersion())
	add("id", e.ID())
	add("source", e.Source())
	add("type", e.Type())
	if e.Subject() != "" {
		add("subject", e.Subject())
	}
	if e.DataSchema() != "" {
		add("dataschema", e.DataSchema())
	}
	if !e.Time().IsZero() {
		add("time", types.FormatTime(e.Time()))
	}
	for name, value := range extensions {
		text, err := types.Format(value)
		if err != nil {
			return nil, fmt.Errorf("extension %s: %w", name, err)
		}
		add(name, text)
	}
	all[contentType] = []string{e.DataContentType()}
	return all, nil
}

// percentEncode writes a header value as the NATS binding requires (section 3.1.3.2): space, double quote, percent and
// all beyond printable ASCII as the percent-encoded bytes of its UTF-8.
func percentEncode(value string) string {
	const hex = "0123456789ABCDEF"
	if !strings.ContainsFunc(value, mustEncode) {
		return value
	}
	var to strings.Builder
	for i := range len(value) {
		if b := value[i]; mustEncode(rune(b)) {
			to.Write([]byte{'%', hex[b>>4], hex[b&15]})
		} else {
			to.WriteByte(b)
		}
	}
	return to.String()
}

func mustEncode(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '%' }

// unescaped reads what percentEncode wrote; a value that holds any other percent sign is kept.
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
			setAttribute(&e, name, unescaped(values[0]))
		}
	}
	err := e.SetData(get(contentType), data)
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
