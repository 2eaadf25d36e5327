package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// Quarantined is an authenticated callback that could not be parsed, as it is stored: all that decoding it again needs, without its
// secrets.
type Quarantined struct {
	ID          string            `json:"id"`
	Source      string            `json:"source"`
	Org         string            `json:"org,omitempty"`     // ingest.CRM.Org of the org whose secret authenticated it
	Account     string            `json:"account,omitempty"` // whose data it is, where that is known
	Reason      string            `json:"reason"`
	ReceivedAt  time.Time         `json:"receivedAt"`
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Params      map[string]string `json:"params,omitempty"`
	Query       url.Values        `json:"query,omitempty"`
	RawQuery    string            `json:"rawQuery,omitempty"` // the parameters in order
	ContentType string            `json:"contentType,omitempty"`
	TraceParent string            `json:"traceParent,omitempty"`
	Body        string            `json:"body,omitempty"`
	BodyBase64  []byte            `json:"bodyBase64,omitempty"` // instead of body if that is not UTF-8
}

// Callback returns a callback to decode again. Without its secrets it cannot be authenticated again.
func (q Quarantined) Callback() ingest.Callback {
	body := []byte(q.Body)
	if q.BodyBase64 != nil {
		body = q.BodyBase64
	}
	return ingest.Callback{
		Source: q.Source, Org: q.Org, At: q.ReceivedAt, Method: q.Method, Path: q.Path, Params: q.Params, Query: q.Query, RawQuery: q.RawQuery,
		Header: http.Header{"Content-Type": {q.ContentType}}, Body: body,
	}
}

// Quarantine returns the copy of cb to store, as JSON, without its secrets.
func (r *Redactor) Quarantine(id string, cb ingest.Callback, reason error) ([]byte, error) {
	cb = searchable(cb)
	clean := r.quarantining(cb)
	q := Quarantined{
		ID: id, Source: cb.Source, Org: cb.Org, Account: clean.maskText(cb.Account), Reason: clean.maskText(reason.Error()), ReceivedAt: cb.At, Method: cb.Method, Path: clean.maskText(cb.Path),
		Params: map[string]string{}, Query: url.Values{}, RawQuery: clean.maskForm(cb.RawQuery, clean.hidesInURL),
		ContentType: clean.maskText(cb.Header.Get("Content-Type")), TraceParent: ingest.TraceParent(cb.Header),
	}
	for name, value := range cb.Params {
		q.Params[name] = clean.maskText(value)
	}
	for name, list := range cb.Query {
		for _, value := range list {
			if clean.hidesInURL(name) {
				value = mask
			}
			q.Query.Add(clean.text(name), clean.text(value))
		}
	}
	body, _, err := clean.json(nil, string(cb.Body), nil)
	switch {
	case err == nil:
	case isForm(cb):
		body = []byte(clean.maskForm(string(cb.Body), clean.hides))
	case looksLikeForm(cb.Body):
		body = []byte(clean.maskText(clean.maskForm(string(cb.Body), clean.hides)))
	default:
		body = []byte(clean.maskText(string(cb.Body)))
	}
	if q.Body = string(body); !utf8.Valid(body) {
		q.Body, q.BodyBase64 = "", body
	}
	return json.Marshal(q)
}

// quarantining returns a cleaner that knows every secret that cb shows or that is derived for it. It never fails: secrets beyond maxFound
// are removed where they are, but not searched elsewhere.
func (r *Redactor) quarantining(cb ingest.Callback) *cleaner {
	c, text := r.cleaner(cb.Source, cb.Org), string(cb.Body)
	_, shown, _ := c.json(nil, text, nil)
	shown = append(shown, valuesAt(text, c.rules.named(text, nil))...)
	if looksLikeForm(cb.Body) {
		shown = append(shown, shownBy(text, c.hides)...)
	}
	derived := shownBy(cb.RawQuery, c.hidesInURL)
	for name, list := range cb.Query {
		if c.hidesInURL(name) {
			derived = append(derived, list...)
		}
	}
	if len(derived) > maxFound {
		derived = derived[:maxFound]
	}
	if c.rules.Derived != nil {
		derived = append(derived, c.rules.Derived(cb)...)
	}
	c.know(shown, derived)
	c.err = nil
	return c
}

// hidesInURL reports whether a parameter of the URL may be a secret. URLs end up in logs, so names are judged more strictly there.
func (c *cleaner) hidesInURL(name string) bool {
	return c.hides(name) || isSecretName(name) && !slices.Contains(c.rules.Params, name)
}

// isForm reports whether a body that is not JSON is a form: its header says so, or there is none.
func isForm(cb ingest.Callback) bool {
	mediaType, _, _, _ := body.Content(cb.Header.Get("Content-Type"))
	return (mediaType == "application/x-www-form-urlencoded" || mediaType == "") && looksLikeForm(cb.Body)
}

// looksLikeForm reports whether a body may be parsed as a form: some sources parse any text as one.
func looksLikeForm(body []byte) bool {
	start := bytes.TrimSpace(body)
	return len(start) > 0 && !bytes.ContainsAny(start[:1], "{[<-") && bytes.Contains(start, []byte("="))
}

// searchable returns cb with a body and a query in which secrets can be found, and that fit into JSON: the body in UTF-8, without the NUL
// bytes of wider charsets, and the query with bytes that are not UTF-8 percent-encoded. A form keeps the charset of what it encodes.
func searchable(cb ingest.Callback) ingest.Callback {
	mediaType, _, charset, _ := body.Content(cb.Header.Get("Content-Type"))
	encodes := mediaType == "application/x-www-form-urlencoded" || mediaType == "multipart/form-data"
	if encodes {
		charset = nil
	}
	text, err := body.Text(cb.Body, charset)
	isRead := err == nil || errors.Is(err, body.ErrNUL)
	if start := strings.TrimSpace(text); isRead && text != string(cb.Body) && (!encodes || strings.IndexAny(start, "{[<") == 0) {
		if query, err := body.ParseForm(cb.RawQuery, charset); err == nil && !utf8.ValidString(ingest.Unescape(cb.RawQuery)) {
			cb.RawQuery = query.Encode() // it was in the charset of the body
		}
		cb.Body = []byte(text)
		cb.Header = http.Header{"Content-Type": {mediaType + "; charset=utf-8"}, "Traceparent": cb.Header["Traceparent"]}
	}
	cb.Parsed = nil // it is another query, too
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
