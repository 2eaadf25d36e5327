package transform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// json masks a JSON text at every depth; native: it is a body, which may name fields in lists and beside their values.
func (s *fieldSet) json(raw json.RawMessage, native bool) (json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	text := scanner(string(raw))
	text.Skip()
	if err := text.End(); err != nil {
		return nil, fmt.Errorf("fields are masked, and this is not JSON: %w", err)
	}
	return (&masking{fieldSet: s, native: native}).value(make([]byte, 0, len(raw)), raw), nil
}

// masking writes a JSON text without masked fields.
type masking struct {
	*fieldSet
	native bool
}

func (m *masking) value(out, raw []byte) []byte {
	switch raw[0] {
	case '{':
		return m.object(out, raw)
	case '[':
		return m.list(out, raw)
	}
	return append(out, raw...)
}

// object writes an object. A member named as a field is masked; where another member's value names a field, as in {"propertyName":"phone",
// "propertyValue":"…"}, those members whose names end with "value" are.
func (m *masking) object(out, raw []byte) []byte {
	drop, hash := m.named(raw)
	out = append(out, '{')
	for name, value := range jsontext.Members(raw) {
		isValue := string(name) == "#text" || strings.HasSuffix(strings.ToLower(string(name)), "value")
		if m.dropped(string(name)) || drop && isValue {
			continue
		}
		out = jsontext.AppendName(out, string(name))
		if m.hashed(string(name)) || hash && isValue {
			out = append(out, m.hashOf(value)...)
		} else {
			out = m.value(out, value)
		}
	}
	return append(out, '}')
}

// named reports whether a member of a native object has the name of a masked field as its value.
func (m *masking) named(raw []byte) (drop, hash bool) {
	if !m.native {
		return false, false
	}
	for _, value := range jsontext.Members(raw) {
		if text, ok := jsontext.StringOf(value); ok && text != "" {
			drop, hash = drop || m.dropped(text), hash || m.hashed(text)
		}
	}
	return drop, hash
}

// list writes a list, of a native body without the names of dropped fields.
func (m *masking) list(out, raw []byte) []byte {
	out = append(out, '[')
	for entry := range jsontext.Entries(raw) {
		if text, ok := jsontext.StringOf(entry); ok && m.native && m.dropped(text) {
			continue
		}
		out = m.value(jsontext.AppendComma(out), entry)
	}
	return append(out, ']')
}
