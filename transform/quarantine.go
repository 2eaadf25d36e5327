package transform

import (
	"encoding/json"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Quarantined is a callback that was proven but not understood, as it is kept: all that decoding it again needs,
// without its secrets.
type Quarantined struct {
	ID          string            `json:"id"`
	Source      string            `json:"source"`
	Reason      string            `json:"reason"`
	ReceivedAt  time.Time         `json:"receivedAt"`
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Params      map[string]string `json:"params,omitempty"`
	Query       url.Values        `json:"query,omitempty"`
	ContentType string            `json:"contentType,omitempty"`
	Body        string            `json:"body,omitempty"`
	BodyBase64  []byte            `json:"bodyBase64,omitempty"` // in place of body where it is not UTF-8
}

// Quarantine returns the copy of cb that may be kept, as JSON.
func (r *Redactor) Quarantine(id string, cb ingest.Callback, reason error) ([]byte, error) {
	cleaner := r.For(cb.Source, cb.Body)
	values := cleaner.values
	if derived := r.sources[cb.Source].Derived; derived != nil {
		values = append(slices.Clone(values), derived(cb)...)
	}
	for name, list := range cb.Query {
		if sounding.MatchString(name) {
			values = append(slices.Clone(values), list...)
		}
	}
	cleaner.values = usable(values, shortest)
	text := func(s string) string { return string(maskText([]byte(s), cleaner.values)) }
	q := Quarantined{
		ID: id, Source: cb.Source, Reason: text(reason.Error()), ReceivedAt: cb.At, Method: cb.Method, Path: text(cb.Path),
		Params: map[string]string{}, Query: url.Values{}, ContentType: text(cb.Header.Get("Content-Type")),
	}
	for name, value := range cb.Params {
		q.Params[name] = text(value)
	}
	for name, list := range cb.Query {
		for _, value := range list {
			if sounding.MatchString(name) {
				value = mask
			}
			q.Query.Add(text(name), text(value))
		}
	}
	body, err := cleaner.JSON(nil, cb.Body)
	if err != nil {
		body = maskText(cb.Body, cleaner.values)
	}
	if q.Body = string(body); !utf8.Valid(body) {
		q.Body, q.BodyBase64 = "", body
	}
	return json.Marshal(q)
}
