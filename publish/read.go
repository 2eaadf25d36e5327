package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// Stored is a message of a stream.
type Stored struct {
	Subject  string
	Sequence uint64
	At       time.Time // when it was stored
	Pending  uint64    // messages to read that were stored after it, when the server sent it
	Header   map[string][]string
	Data     []byte
}

// Event decodes the message, in either content mode.
func (s Stored) Event() (event.Event, error) { return ParseEvent(s.Header, s.Data) }

// In returns the stored event in a content mode: headers, content-type among them, and body. The headers are those of CloudEvents'
// HTTP binding too, which encodes values in the same way.
func (s Stored) In(mode Mode) (header map[string][]string, body []byte, err error) {
	if mode == Structured {
		body, err := s.JSON()
		header := map[string][]string{cloudevent.ContentType: {cloudevent.MediaType}}
		if trace := s.Header[traceParent]; len(trace) > 0 {
			header[traceParent] = trace
		}
		return header, body, err
	}
	e, err := s.Event()
	if err != nil {
		return nil, nil, err
	}
	header, err = headersOf(e)
	if trace := s.Header[traceParent]; len(trace) > 0 && err == nil {
		header[traceParent] = trace // of the span that published it
	}
	return header, e.Data(), err
}

// headersOf returns the headers of an event of another program, whose data may be anything, as those of the bridge's own.
func headersOf(e event.Event) (map[string][]string, error) {
	of := cloudevent.Event{ID: e.ID(), Source: e.Source(), Type: e.Type(), Subject: e.Subject(), DataSchema: e.DataSchema(), Time: e.Time()}
	for name, value := range e.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			return nil, fmt.Errorf("extension %s: %w", name, err)
		}
		of.Extensions = append(of.Extensions, cloudevent.Extension{Name: name, Value: text})
	}
	msg := Message("", &of, Binary)
	msg.Header[cloudevent.ContentType] = []string{e.DataContentType()}
	return msg.Header, nil
}

// written is how the bridge, and the SDK, begin an event in the structured mode.
const written = `{"specversion":"1.0","id":"`

// JSON returns the event in the structured mode, on one line. If it was stored so, it is only checked to be JSON.
func (s Stored) JSON() (json.RawMessage, error) {
	if s.structured() && bytes.HasPrefix(s.Data, []byte(written)) && isOneLine(s.Data) {
		return s.Data, nil
	}
	e, err := s.Event()
	if err != nil {
		return nil, err
	}
	var text, line bytes.Buffer
	if err := event.WriteJson(&e, &text); err != nil {
		return nil, err
	}
	err = json.Compact(&line, text.Bytes())
	return line.Bytes(), err
}

// isOneLine reports whether a text is JSON, and without a line break.
func isOneLine(text []byte) bool {
	return bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 && jsontext.Check(text) == nil
}

// structured reports whether the message says that it is an event in the structured mode, in JSON.
func (s Stored) structured() bool {
	values := s.Header[cloudevent.ContentType]
	return len(values) > 0 && strings.HasPrefix(values[0], cloudevent.MediaType)
}

// IsEvent reports whether, by the headers alone, the message is an event.
func (s Stored) IsEvent() bool {
	return s.structured() || len(s.Header[cloudevent.AttributePrefix+"specversion"]) > 0
}

// AppendLine appends the message as a line of JSON: {"subject","sequence","storedAt","event"}. If it is not an event, the line has
// the error, in the words of plain, in place of the event, and the error is returned too.
func (s Stored) AppendLine(to []byte, plain func(error) string) ([]byte, error) {
	event, err := s.JSON()
	to = jsontext.AppendMember(append(to, '{'), "subject", s.Subject)
	to = strconv.AppendUint(append(to, `,"sequence":`...), s.Sequence, 10)
	to = s.At.UTC().AppendFormat(append(to, `,"storedAt":"`...), time.RFC3339Nano)
	if err != nil {
		to = jsontext.AppendString(append(to, `","error":`...), plain(err))
	} else {
		to = append(append(to, `","event":`...), event...)
	}
	return append(to, '}', '\n'), err
}
