package transform

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/crm-bridge/crm-bridge/ingest"
)

type rawJSON = json.RawMessage

// encode writes the event's data around native, which is the same for every record of a callback. Numbers are copied as
// text: no digit of any of them changes.
func encode(c ingest.Change, clean *Cleaner, native []byte) ([]byte, error) {
	out := make([]byte, 0, 2*len(native)+512)
	out = member(append(out, '{'), "provider", c.Provider)
	if c.Account != "" {
		out = member(append(out, ','), "account", c.Account)
	}
	if c.Channel != "" {
		out = member(append(out, ','), "channel", c.Channel)
	}
	out = member(append(out, ','), "module", c.Module)
	out = member(append(out, ','), "operation", c.Operation)
	out = list(append(out, `,"ids":`...), c.IDs)
	if !c.OccurredAt.IsZero() {
		out = member(append(out, ','), "occurredAt", timestamp(c.OccurredAt))
	}
	if c.Fields != nil {
		out = append(out, `,"fields":{`...)
		for i, id := range slices.Sorted(maps.Keys(c.Fields)) {
			out = list(append(quote(comma(out, i), clean.Text(id)), ':'), clean.Texts(c.Fields[id]))
		}
		out = append(out, '}')
	}
	if c.Values != nil {
		out = append(out, `,"values":{`...)
		for i, id := range slices.Sorted(maps.Keys(c.Values)) {
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

// native writes what came, without its secrets.
func (c *Cleaner) native(change ingest.Change) ([]byte, error) {
	out := member([]byte{'{'}, "operation", change.NativeOperation)
	for _, part := range []struct {
		name string
		raw  rawJSON
	}{{"body", change.NativeBody}, {"query", change.NativeQuery}, {"xml", change.NativeXML}} {
		if len(part.raw) == 0 {
			continue
		}
		var err error
		if out, err = c.JSON(append(quote(append(out, ','), part.name), ':'), part.raw); err != nil {
			return nil, fmt.Errorf("native %s: %w", part.name, err)
		}
	}
	return append(out, '}'), nil
}

func member(to []byte, name, value string) []byte {
	return quote(append(quote(to, name), ':'), value)
}

func list(to []byte, values []string) []byte {
	to = append(to, '[')
	for i, value := range values {
		to = quote(comma(to, i), value)
	}
	return append(to, ']')
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
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			to = append(to, '\\', byte(r))
		case r == '\n':
			to = append(to, `\n`...)
		case r == '\r':
			to = append(to, `\r`...)
		case r == '\t':
			to = append(to, `\t`...)
		case r < ' ' || r == 0x7f:
			to = append(to, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			to = append(to, string(r)...)
		}
	}
	return append(to, '"')
}
