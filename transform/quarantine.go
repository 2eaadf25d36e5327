package transform

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
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
	secrets := r.sources[cb.Source]
	values := slices.Clone(r.values)
	if secrets.Derived != nil {
		values = append(values, long(secrets.Derived(cb))...)
	}
	for name, list := range cb.Query {
		if slices.Contains(secrets.Params, strings.ToLower(name)) {
			values = append(values, long(list)...)
		}
	}
	q := Quarantined{
		ID: id, Source: cb.Source, Reason: string(maskText([]byte(reason.Error()), values)), ReceivedAt: cb.At, Method: cb.Method,
		Path: string(maskText([]byte(cb.Path), values)), Params: map[string]string{}, Query: url.Values{},
		ContentType: string(maskText([]byte(cb.Header.Get("Content-Type")), values)),
	}
	for name, value := range cb.Params {
		q.Params[name] = string(maskText([]byte(value), values))
	}
	for name, list := range cb.Query {
		for _, value := range list {
			if slices.Contains(secrets.Params, strings.ToLower(name)) {
				value = mask
			}
			q.Query.Add(string(maskText([]byte(name), values)), string(maskText([]byte(value), values)))
		}
	}
	cleaner := r.For(cb.Source, cb.Body)
	cleaner.values = append(slices.Clone(cleaner.values), values...)
	body, err := cleaner.JSON(nil, cb.Body)
	if err != nil {
		body = maskText(cb.Body, cleaner.values)
	}
	if q.Body = string(body); !utf8.Valid(body) {
		q.Body, q.BodyBase64 = "", body
	}
	return json.Marshal(q)
}
