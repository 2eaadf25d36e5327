package hubspot_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
	"github.com/crm-bridge/crm-bridge/transform"
)

// Whatever arrives, decoding does not panic, each part is a change, a quarantined part or of another portal, an event is valid JSON, and no
// secret is in it or in the copy in quarantine.
func FuzzWebhooks(f *testing.F) {
	for _, name := range []string{"webhook-batch.json", "webhook-special.json"} {
		f.Add(read(f, name))
	}
	for _, body := range []string{
		event(44001122, 1, ""), "[]", "[1,null,{}]", `{"portalId":1,"subscriptionType":"object.creation","objectTypeId":"2-\u0031","objectId":1E3}`, `[{"portalId":1,`,
		"\xff\xfe[\x00]\x00", `[{"portalId":"1","subscriptionType":"a.B","objectId":"` + secret + `"}]`, `[{"eventId":1,"x":"\ud800` + accessToken + "\xff\"}]",
	} {
		f.Add([]byte(body))
	}
	source := open(f, func(c *hubspot.Config) { c.Hubspot.Portals = ingest.AccountIDs{"1", "44001122"} }).Sources[0]
	m := mapping(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		cb := callback(string(body))
		if err := source.Verify(t.Context(), cb); !errors.Is(err, ingest.ErrForged) {
			t.Fatal(err)
		}
		changes, err := source.Decode(cb)
		var partly ingest.Partly
		if err != nil && !errors.As(err, &partly) && len(changes) > 0 {
			t.Fatalf("%d changes beside %v", len(changes), err)
		}
		for _, change := range changes {
			if again, err := source.Decode(callback(string(change.Alone))); err != nil || len(again) != 1 || again[0].IDs[0] != change.IDs[0] || again[0].Mark != change.Mark {
				t.Errorf("by itself %s is %+v, %v", change.Alone, again, err)
			}
			if events, err := m.Events(change); err == nil {
				clean(t, events[0].Data)
			}
		}
		for _, part := range partly {
			if again, err := source.Decode(callback(string(part.Body))); err == nil && len(again) > 0 {
				t.Errorf("by itself %s is %+v", part.Body, again)
			}
			cb.Body = part.Body
			kept, err := m.Redact.Quarantine("id", cb, part.Reason)
			if err != nil {
				t.Fatal(err)
			}
			clean(t, kept)
		}
	})
}

// clean fails unless out is JSON without a secret.
func clean(t *testing.T, out []byte) {
	t.Helper()
	if !json.Valid(out) || !utf8.Valid(out) {
		t.Fatalf("not JSON: %q", out)
	}
	for _, hidden := range []string{secret, accessToken} {
		if strings.Contains(string(out), hidden) {
			t.Errorf("shows %q: %s", hidden, out)
		}
	}
}

// answering is a transport that answers everything alike.
type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }

// Whatever HubSpot answers, nothing panics or loops forever, what is made of it can become events, and no error shows a secret of ours.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{
		`{"url":"https://files.test/1?X-Amz-Signature=a","expiresAt":"2026-11-20T09:15:02.418Z","currentOffset":"0190a1b2"}`,
		`{"url":"http://files.test/1","currentOffset":"2","offset":"2","publishedAt":"2026-11-20T09:15:02.418Z","journalEvents":[{"type":"crmObject","portalId":44001122,"occurredAt":"2026-11-20T09:15:02.418Z","action":"UPDATE","objectTypeId":"0-3","objectId":29812345,"propertyChanges":{"dealstage":"closedwon"}},7,null]}`,
		`{"total":431,"portalId":44001122,"results":[{"id":"29812345","name":"dealstage","properties":{"dealstage":"closedwon","hs_lastmodifieddate":"2026-11-20T09:15:02.418Z"},"createdAt":"2026-10-01T08:00:00.000Z","updatedAt":"2026-11-20T09:15:02.418Z","archived":false}],"paging":{"next":{"after":"200"}}}`,
		`{"results":[{"id":"7","properties":{},"archivedAt":"2026-11-20T09:15:02.418Z"}],"paging":{"next":{"after":"x"}}}`,
		`{"results":[{"id":7700001,"subscriptionType":"OBJECT","portalId":44001122,"objectTypeId":"0-3","actions":["CREATE"],"properties":null}]}`,
		`{"access_token":"app-token","expires_in":1800}`, `{"status":"error","message":"` + accessToken + `","policyName":"DAILY"}`, `[]`, ``, `<html>`, `null`, `{"results":null}`,
	} {
		for status := range uint8(6) {
			f.Add(status, body)
		}
	}
	m := mapping(f)
	f.Fuzz(func(t *testing.T, status uint8, body string) {
		synctest.Test(t, func(t *testing.T) { answered(t, m, status, body) })
	})
}

// answered has all that calls the API called, with one answer.
func answered(t *testing.T, m *transform.Mapping, status uint8, body string) {
	code := []int{200, 204, 207, 400, 403, 404}[status%6]
	crm, state := connected(t, http.NotFoundHandler())
	asked := 0
	hubspot.SetHTTP(crm, &http.Client{Transport: answering(func(r *http.Request) *http.Response {
		text := body
		if asked++; strings.HasSuffix(r.URL.Path, "/token") && asked%2 == 1 {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"access_token":"app-token"}`)), Request: r}
		}
		return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}
	})})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	accept := func(_ context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
		for _, change := range changes {
			if _, err := m.Events(change); err != nil && !errors.Is(err, ingest.ErrMalformed) {
				t.Error(err)
			}
		}
		stop() // the same file would come without end
		return make([]ingest.Ack, len(changes)), nil
	}
	note := func(ingest.Gap) error { return nil }
	_, watched := crm.Watcher.Watch(t.Context(), state, note)
	errs := []error{watched, crm.Drainer.Drain(ctx, state, accept, note), crm.Reach(t.Context())}
	pages := 0
	for page, err := range crm.Lister.Changed(t.Context(), ingest.Query{Account: "44001122", Module: "deal", Origin: ingest.Repair}) {
		errs = append(errs, err)
		for _, change := range page.Changes {
			if _, err := m.Events(change); err != nil && !errors.Is(err, ingest.ErrMalformed) {
				t.Error(err)
			}
		}
		if pages++; pages > 20 {
			break
		}
	}
	for _, err := range errs {
		for _, hidden := range []string{secret, accessToken, "app-token"} {
			if err != nil && strings.Contains(err.Error(), hidden) {
				t.Errorf("shows %q: %v", hidden, err)
			}
		}
	}
}
