package transform

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

type rawJSON = json.RawMessage

// encode returns the data of an event, with its part of the native JSON in it.
func encode(c *ingest.Change, clean *cleaner, native natives) ([]byte, error) {
	out, err := appendChange(make([]byte, 0, sizeOf(c)+native.size(c.IDs)), c, clean)
	return append(native.appendTo(out, c.IDs), '}'), err
}

// appendChange appends the data of an event up to native, which is its last member. Values are copied as text, so no digit of a number
// changes.
func appendChange(out []byte, c *ingest.Change, clean *cleaner) ([]byte, error) {
	out = jsontext.AppendMember(append(out, '{'), "provider", c.Provider)
	if c.Account != "" {
		out = jsontext.AppendMember(out, "account", c.Account)
	}
	if c.Channel != "" {
		out = jsontext.AppendMember(out, "channel", c.Channel)
	}
	out = jsontext.AppendMember(out, "module", c.Module)
	out = jsontext.AppendMember(out, "operation", c.Operation)
	out = append(out, `,"ids":[`...)
	for _, id := range c.IDs {
		out = jsontext.AppendString(jsontext.AppendComma(out), id)
	}
	out = append(out, ']')
	if !c.OccurredAt.IsZero() {
		out = append(c.OccurredAt.UTC().AppendFormat(append(out, `,"occurredAt":"`...), time.RFC3339Nano), '"')
	}
	if c.ChangedBy != "" {
		out = jsontext.AppendMember(out, "changedBy", clean.text(c.ChangedBy))
	}
	var room [8]string // for the ids of records
	if c.Fields != nil {
		out = append(out, `,"fields":{`...)
		for _, id := range names(c.Fields, room[:0]) {
			out = append(jsontext.AppendName(out, clean.text(id)), '[')
			for _, field := range c.Fields[id] {
				out = jsontext.AppendString(jsontext.AppendComma(out), clean.text(field))
			}
			out = append(out, ']')
		}
		out = append(out, '}')
	}
	for _, member := range [...]struct {
		name    string
		records map[string]rawJSON
	}{{"values", c.Values}, {"previous", c.Previous}} {
		if member.records == nil {
			continue
		}
		out = append(jsontext.AppendName(out, member.name), '{')
		for _, id := range names(member.records, room[:0]) {
			var err error
			if out, err = clean.record(jsontext.AppendName(out, clean.text(id)), member.records[id]); err != nil {
				return nil, fmt.Errorf("%s of a record: %w", member.name, err)
			}
		}
		out = append(out, '}')
	}
	return jsontext.AppendName(out, "native"), nil
}

// sizeOf estimates the bytes of an event's data without native.
func sizeOf(c *ingest.Change) int {
	size := 256 + 32*len(c.IDs)
	for _, fields := range c.Fields {
		size += 32 + 32*len(fields)
	}
	for _, records := range [...]map[string]rawJSON{c.Values, c.Previous} {
		for _, values := range records {
			size += 32 + len(values)
		}
	}
	return size
}

// names appends the keys of a map to room, and returns them in order.
func names[V any](of map[string]V, room []string) []string {
	for name := range of {
		room = append(room, name)
	}
	slices.Sort(room)
	return room
}

// native is what the CRM sent. Its JSON is copied to strings once, for all that searches them.
type native struct{ operation, body, query, xml string }

func nativeOf(c *ingest.Change) native {
	return native{c.NativeOperation, string(c.NativeBody), string(c.NativeQuery), string(c.NativeXML)}
}

// size returns about as many bytes as appendTo appends.
func (n native) size() int { return 64 + len(n.operation) + len(n.body) + len(n.query) + len(n.xml) }

// appendTo appends what the CRM sent as JSON, without its secrets, and returns the values under secret names.
func (n native) appendTo(out []byte, clean *cleaner) (_ []byte, found []string, err error) {
	out = jsontext.AppendMember(append(out, '{'), "operation", n.operation)
	for _, part := range [...]struct{ name, text string }{{"body", n.body}, {"query", n.query}, {"xml", n.xml}} {
		if part.text == "" {
			continue
		}
		if out, found, err = clean.json(jsontext.AppendName(out, part.name), part.text, found); err != nil {
			return nil, nil, fmt.Errorf("native %s: %w", part.name, err)
		}
	}
	return append(out, '}'), found, nil
}
