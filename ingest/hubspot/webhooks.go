package hubspot

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

const webhooksPath = "/hubspot/webhooks"

// maxBatch bounds the events of a callback. HubSpot sends up to 100 at once.
const maxBatch = 1000

// Webhooks understands the callbacks of an app: lists of events of all kinds, perhaps of several portals. Set the fields once.
type Webhooks struct {
	ClientSecrets ingest.SecretList // any of them may have signed; the first signs samples
	PublicURLs    []string          // the app's target URL is below one of them; empty: below whatever host a request names
	Portals       ingest.AccountIDs // whose events are accepted
	tokens        []string          // other secrets
}

// Label implements ingest.Source.
func (w *Webhooks) Label() string { return WebhooksLabel }

// Routes implements ingest.Source.
func (w *Webhooks) Routes() []ingest.Route {
	return []ingest.Route{{Method: http.MethodPost, Path: webhooksPath}}
}

// ForgivesQuarantined implements ingest.Forgiving: HubSpot sends again, up to ten times, what is answered with a 4xx.
func (w *Webhooks) ForgivesQuarantined() {}

// Secrets implements ingest.Source. The body carries none; people may put one into a property or into the target URL.
func (w *Webhooks) Secrets() ingest.Secrets {
	return ingest.Secrets{Values: slices.Concat(w.tokens, w.ClientSecrets), Looks: looks}
}

// Verify implements ingest.Source: signature v3 over the method, the URL, the body and a timestamp of the last five minutes.
func (w *Webhooks) Verify(_ context.Context, cb ingest.Callback) error {
	if cb.Body == nil {
		return ingest.ErrUnread
	}
	return verify(cb, urlsOf(cb, w.PublicURLs), w.ClientSecrets)
}

// Decode implements ingest.Source: each event of the list becomes a change, in order. Those of portals that are not accepted are left
// out, and those that are malformed are the parts of an ingest.Partly. A body that is one event is read as a list of it.
func (w *Webhooks) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	events, err := split(cb.Body)
	if err != nil {
		return nil, err
	}
	changes := make([]ingest.Change, 0, len(events))
	var bad ingest.Partly
	var ignored error // of the first event that is
	for _, raw := range events {
		change, err := decode(raw, w.Portals)
		switch {
		case errors.Is(err, ingest.ErrIgnored):
			ignored = cmp.Or(ignored, err)
		case err != nil:
			bad = append(bad, ingest.Part{Body: alone(raw), Reason: err})
		default:
			change.ReceivedAt, change.Alone = cb.At, raw
			changes = append(changes, change)
		}
	}
	switch {
	case len(bad) > 0:
		return changes, bad
	case len(changes) == 0:
		return nil, ignored
	}
	return changes, nil
}

// alone returns a body of one event of a list: a list instead of an event stays in one, or redriving it would read its events.
func alone(raw rawJSON) []byte {
	if !bytes.HasPrefix(raw, []byte("[")) {
		return raw
	}
	return slices.Concat([]byte("["), raw, []byte("]"))
}

// AccountOf implements ingest.NamesAccount: the portal of the first event.
func (w *Webhooks) AccountOf(cb ingest.Callback) string {
	events, _ := split(cb.Body)
	for _, raw := range events {
		m, _ := readMembers(nil, raw)
		return m.id("portalId")
	}
	return ""
}

// split returns the events of a body. Whether one that nests too deep is malformed is judged by itself.
func split(raw []byte) (events []rawJSON, err error) {
	text, err := body.UTF8(raw)
	if err != nil {
		return nil, err
	}
	if err := jsontext.Check(text); err != nil && !errors.Is(err, jsontext.ErrDepth) {
		return nil, fmt.Errorf("%w: the body is %w", ingest.ErrMalformed, err)
	}
	switch trimmed := bytes.TrimSpace(text); trimmed[0] {
	case '{':
		return []rawJSON{trimmed}, nil
	case '[':
		for event := range jsontext.Entries(trimmed) {
			if events = append(events, event); len(events) > maxBatch {
				return nil, fmt.Errorf("%w: the list has more than %d events", ingest.ErrMalformed, maxBatch)
			}
		}
		return events, nil
	}
	return nil, fmt.Errorf("%w: the body is neither a list of events nor an event", ingest.ErrMalformed)
}
