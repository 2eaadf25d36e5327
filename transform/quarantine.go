package transform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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
	RawQuery    string            `json:"rawQuery,omitempty"` // the parameters in their order
	ContentType string            `json:"contentType,omitempty"`
	TraceParent string            `json:"traceParent,omitempty"`
	Body        string            `json:"body,omitempty"`
	BodyBase64  []byte            `json:"bodyBase64,omitempty"` // in place of body where it is not UTF-8
}

// Callback returns what was kept as a callback to be decoded again. Its secrets are gone, so it cannot be verified again.
func (q Quarantined) Callback() ingest.Callback {
	body := []byte(q.Body)
	if q.BodyBase64 != nil {
		body = q.BodyBase64
	}
	return ingest.Callback{
		Source: q.Source, At: q.ReceivedAt, Method: q.Method, Path: q.Path, Params: q.Params, Query: q.Query, RawQuery: q.RawQuery,
		Header: http.Header{"Content-Type": {q.ContentType}}, Body: body,
	}
}

// Quarantine returns the copy of cb that may be kept, as JSON.
func (r *Redactor) Quarantine(id string, cb ingest.Callback, reason error) ([]byte, error) {
	cb = searchable(cb)
	cleaner := r.For(cb.Source, cb.Body)
	if derived := r.of(cb.Source).Derived; derived != nil {
		cleaner.know(derived(cb))
	}
	for name, list := range cb.Query {
		if sounding.MatchString(name) {
			cleaner.know(list)
		}
	}
	text := func(s string) string { return string(maskText([]byte(s), cleaner.values)) }
	q := Quarantined{
		ID: id, Source: cb.Source, Reason: text(reason.Error()), ReceivedAt: cb.At, Method: cb.Method, Path: text(cb.Path),
		Params: map[string]string{}, Query: url.Values{}, ContentType: text(cb.Header.Get("Content-Type")), TraceParent: ingest.TraceParent(cb.Header),
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
	q.RawQuery = maskQuery(cb.RawQuery, text)
	body, err := cleaner.JSON(nil, cb.Body)
	switch {
	case err == nil:
	case isForm(cb):
		body = cleaner.maskForm(cb.Body)
	default:
		body = maskText(cb.Body, cleaner.values)
	}
	if q.Body = string(body); !utf8.Valid(body) {
		q.Body, q.BodyBase64 = "", body
	}
	return json.Marshal(q)
}

// isForm tells whether a body that is not JSON is a form: its header says so, or no header says otherwise.
func isForm(cb ingest.Callback) bool {
	mediaType, _, _, _ := ingest.Content(cb.Header.Get("Content-Type"))
	start := bytes.TrimSpace(cb.Body)
	return (mediaType == "application/x-www-form-urlencoded" || mediaType == "") && len(start) > 0 && !bytes.ContainsAny(start[:1], "{[<") && bytes.Contains(start, []byte("="))
}

// searchable returns cb with a body and a query in which secrets can be found, and which JSON can hold: a body of another
// charset as UTF-8, without NUL bytes, which stand between the letters of wider ones, and percent-encoded what is not UTF-8 in
// the query. A form keeps the charset of what it encodes.
func searchable(cb ingest.Callback) ingest.Callback {
	mediaType, _, charset, _ := ingest.Content(cb.Header.Get("Content-Type"))
	encodes := mediaType == "application/x-www-form-urlencoded" || mediaType == "multipart/form-data"
	if encodes {
		charset = nil
	}
	text, err := ingest.Text(cb.Body, charset)
	if start := strings.TrimSpace(text); err == nil && text != string(cb.Body) && (!encodes || strings.IndexAny(start, "{[<") == 0) {
		if query, err := ingest.ParseForm(cb.RawQuery, charset); err == nil && !utf8.ValidString(ingest.Unescape(cb.RawQuery)) {
			cb.RawQuery = query.Encode() // it was in the charset of the body
		}
		cb.Body = []byte(text)
		cb.Header = http.Header{"Content-Type": {mediaType + "; charset=utf-8"}, "Traceparent": cb.Header["Traceparent"]}
	}
	cb.Body = bytes.ReplaceAll(cb.Body, []byte{0}, nil)
	cb.RawQuery = escaped(cb.RawQuery)
	return cb
}

// escaped percent-encodes the bytes of a query that are not UTF-8, so that it decodes to the same.
func escaped(query string) string {
	if utf8.ValidString(query) {
		return query
	}
	var out strings.Builder
	for i := 0; i < len(query); {
		r, size := utf8.DecodeRuneInString(query[i:])
		if r == utf8.RuneError && size == 1 {
			_, _ = fmt.Fprintf(&out, "%%%02X", query[i])
		} else {
			out.WriteString(query[i : i+size])
		}
		i += size
	}
	return out.String()
}

// maskQuery masks the parameters of a URL that sound like secrets, and in the others what text masks.
func maskQuery(raw string, text func(string) string) string {
	if raw == "" {
		return ""
	}
	pairs := strings.Split(raw, "&")
	for i, pair := range pairs {
		name, _, hasValue := strings.Cut(pair, "=")
		switch {
		case hasValue && sounding.MatchString(ingest.Unescape(name)):
			pairs[i] = text(name) + "=" + mask
		default:
			pairs[i] = text(pair)
		}
	}
	return strings.Join(pairs, "&")
}
