package transform

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// Quarantine returns the copy of cb to store, as JSON, without its secrets and what is masked.
func (m *Mapping) Quarantine(id string, cb ingest.Callback, reason error) ([]byte, error) {
	return m.Redact.Quarantine(id, m.Masks.callback(cb), reason)
}

// callback returns a callback that cannot be decoded without what is masked of any module of its CRM. A body in which fields cannot be told
// apart is removed.
func (m *Masks) callback(cb ingest.Callback) ingest.Callback {
	provider, _, _ := strings.Cut(cb.Source, "-")
	set := m.of(provider, anyName)
	if set == nil {
		return cb
	}
	cb = searchable(cb)
	if masked, err := set.json(cb.Body, true); err == nil && !set.hides() && isOfObjects(masked) {
		cb.Body = masked
	} else if isForm(cb) && !set.hides() {
		cb.Body = []byte(set.form(string(cb.Body)))
	} else {
		cb.Body = nil
	}
	cb.RawQuery, cb.Query = set.form(cb.RawQuery), set.query(cb.Query)
	return cb
}

// isOfObjects reports whether a JSON text is an object or a list of objects: in texts fields cannot be told apart.
func isOfObjects(text json.RawMessage) bool {
	if text[0] != '[' {
		return text[0] == '{'
	}
	for entry := range jsontext.Entries(text) {
		if entry[0] != '{' {
			return false
		}
	}
	return true
}

// form masks the parameters of a form, in their order.
func (s *fieldSet) form(text string) string {
	if text == "" {
		return ""
	}
	var kept []string
	for pair := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch plain := ingest.Unescape(name); {
		case s.dropped(plain):
			continue
		case s.hashed(plain):
			pair = name + "=" + url.QueryEscape(s.again(ingest.Unescape(value)))
		}
		kept = append(kept, pair)
	}
	return strings.Join(kept, "&")
}

func (s *fieldSet) query(all url.Values) url.Values {
	kept := url.Values{}
	for name, values := range all {
		if s.dropped(name) {
			continue
		}
		for _, value := range values {
			if s.hashed(name) {
				value = s.again(value)
			}
			kept.Add(name, value)
		}
	}
	return kept
}
