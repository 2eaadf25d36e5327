package transform

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest"
)

type rawJSON = json.RawMessage

// encode writes the event's data around native, which is the same for every record of a callback. Numbers are copied as
// text: no digit of any of them changes.
func encode(c *ingest.Change, clean *Cleaner, native []byte) ([]byte, error) {
	out := make([]byte, 0, len(native)+sizeOf(c))
	out = member(append(out, '{'), "provider", c.Provider)
	if c.Account != "" {
		out = member(append(out, ','), "account", c.Account)
	}
	if c.Channel != "" {
		out = member(append(out, ','), "channel", c.Channel)
	}
	out = member(append(out, ','), "module", c.Module)
	out = member(append(out, ','), "operation", c.Operation)
	out = append(out, `,"ids":[`...)
	for i, id := range c.IDs {
		out = quote(comma(out, i), id)
	}
	out = append(out, ']')
	if !c.OccurredAt.IsZero() {
		out = append(c.OccurredAt.UTC().AppendFormat(append(out, `,"occurredAt":"`...), time.RFC3339Nano), '"')
	}
	if c.Fields != nil {
		out = append(out, `,"fields":{`...)
		for i, id := range names(c.Fields) {
			out = append(quote(comma(out, i), clean.Text(id)), ':', '[')
			for j, field := range c.Fields[id] {
				out = quote(comma(out, j), clean.Text(field))
			}
			out = append(out, ']')
		}
		out = append(out, '}')
	}
	if c.Values != nil {
		out = append(out, `,"values":{`...)
		for i, id := range names(c.Values) {
			out = append(quote(comma(out, i), clean.Text(id)), ':')
			var err error
			if out, err = clean.Record(out, c.Values[id]); err != nil {
				return nil, fmt.Errorf("values of a record: %w", err)
			}
		}
		out = append(out, '}')
	}
	return append(append(append(out, `,"native":`...), native...), '}'), nil
}

// sizeOf is about what the data beside native comes to.
func sizeOf(c *ingest.Change) int {
	size := 256 + 32*len(c.IDs)
	for _, fields := range c.Fields {
		size += 32 + 32*len(fields)
	}
	for _, values := range c.Values {
		size += 32 + len(values)
	}
	return size
}

// names returns the names of a map in order.
func names[V any](of map[string]V) []string {
	if len(of) == 1 { // as most have
		for name := range of {
			return []string{name}
		}
	}
	return slices.Sorted(maps.Keys(of))
}

// native is what came, its JSON as strings, so that they are copied once for all that looks at them.
type native struct{ operation, body, query, xml string }

func nativeOf(c *ingest.Change) native {
	return native{c.NativeOperation, string(c.NativeBody), string(c.NativeQuery), string(c.NativeXML)}
}

// write writes what came, without its secrets.
func (n native) write(clean *Cleaner) ([]byte, error) {
	out := make([]byte, 0, 64+len(n.operation)+len(n.body)+len(n.query)+len(n.xml))
	out = member(append(out, '{'), "operation", n.operation)
	for _, part := range [...]struct{ name, text string }{{"body", n.body}, {"query", n.query}, {"xml", n.xml}} {
		if part.text == "" {
			continue
		}
		var err error
		if out, err = clean.json(append(quote(append(out, ','), part.name), ':'), part.text); err != nil {
			return nil, fmt.Errorf("native %s: %w", part.name, err)
		}
	}
	return append(out, '}'), nil
}

func member(to []byte, name, value string) []byte {
	return quote(append(quote(to, name), ':'), value)
}

func comma(to []byte, i int) []byte {
	if i > 0 {
		return append(to, ',')
	}
	return to
}

// quote writes s as a JSON string; bytes that are not UTF-8 become U+FFFD.
func quote(to []byte, s string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	start := 0 // of what is copied as it is
	for i := 0; i < len(s); {
		b := s[i]
		if b >= ' ' && b != '"' && b != '\\' && b < 0x7f {
			i++
			continue
		}
		size := 1
		if b >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		to = append(to, s[start:i]...)
		switch {
		case b >= utf8.RuneSelf:
			to = append(to, "\ufffd"...)
		case b == '"' || b == '\\':
			to = append(to, '\\', b)
		case b == '\n':
			to = append(to, `\n`...)
		case b == '\r':
			to = append(to, `\r`...)
		case b == '\t':
			to = append(to, `\t`...)
		default:
			to = append(to, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
		i += size
		start = i
	}
	return append(append(to, s[start:]...), '"')
}
