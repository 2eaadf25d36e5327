package cloudevent

import (
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// The media types of an event in the structured mode, and of its data.
const (
	MediaType     = "application/cloudevents+json"
	DataMediaType = "application/json"
)

// The names of headers in the binary mode. They are in lower case: NATS distinguishes letter case, and readers look for these.
const (
	ContentType     = "content-type"
	AttributePrefix = "ce-"
)

const specVersion = "1.0"

// AppendJSON appends the event in the structured mode to a buffer. Bytes of attributes that are not UTF-8 become U+FFFD.
func (e *Event) AppendJSON(to []byte) []byte {
	to = jsontext.AppendMember(append(to, `{"specversion":"`+specVersion+`"`...), "id", e.ID)
	to = jsontext.AppendMember(to, "source", e.Source)
	to = jsontext.AppendMember(to, "type", e.Type)
	if e.Subject != "" {
		to = jsontext.AppendMember(to, "subject", e.Subject)
	}
	to = append(to, `,"datacontenttype":"`+DataMediaType+`"`...)
	if e.DataSchema != "" {
		to = jsontext.AppendMember(to, "dataschema", e.DataSchema)
	}
	if !e.Time.IsZero() {
		to = append(e.Time.UTC().AppendFormat(append(to, `,"time":"`...), time.RFC3339Nano), '"')
	}
	if e.Data != nil {
		to = append(append(to, `,"data":`...), e.Data...)
	}
	for _, of := range e.Extensions {
		to = append(append(append(to, `,"`...), of.Name...), `":`...) // the data may not end as JSON does
		to = jsontext.AppendString(to, of.Value)
	}
	return append(to, '}')
}

// Size returns about as many bytes as AppendJSON appends.
func (e *Event) Size() int {
	size := 256 + len(e.ID) + len(e.Source) + len(e.Type) + len(e.Subject) + len(e.DataSchema) + len(e.Data)
	for _, of := range e.Extensions {
		size += 8 + len(of.Name) + len(of.Value)
	}
	return size
}

// Headers returns the event's attributes as headers of the binary mode, where the body is Data.
func (e *Event) Headers() map[string][]string {
	most := 8 + len(e.Extensions)
	all := make(map[string][]string, most+4) // room for headers of the transport
	values := make([]string, 0, most)
	add := func(name, value string) {
		values = append(values, value)
		all[name] = values[len(values)-1 : len(values) : len(values)]
	}
	add(ContentType, DataMediaType)
	add(AttributePrefix+"specversion", specVersion)
	add(AttributePrefix+"id", percentEncode(e.ID))
	add(AttributePrefix+"source", percentEncode(e.Source))
	add(AttributePrefix+"type", percentEncode(e.Type))
	if e.Subject != "" {
		add(AttributePrefix+"subject", percentEncode(e.Subject))
	}
	if e.DataSchema != "" {
		add(AttributePrefix+"dataschema", percentEncode(e.DataSchema))
	}
	if !e.Time.IsZero() {
		add(AttributePrefix+"time", e.Time.UTC().Format(time.RFC3339Nano))
	}
	for _, of := range e.Extensions {
		add(AttributePrefix+of.Name, percentEncode(of.Value))
	}
	return all
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
