package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Only what the bridge itself answers counts as its answer: an error of the API server's proxy does not, nor does a lost connection.
func TestReplies(t *testing.T) {
	const event = `{"events":[{"id":"0190c0de-0000-7000-8000-000000000001"}]}`
	for _, c := range []struct {
		name        string
		status      int
		contentType string
		body        string
		want        outcome
	}{
		{"200 with its event", 200, "application/json", event, answered},
		{"200 without an event", 200, "application/json", `{"events":[]}`, other},
		{"503 of the bridge", 503, "application/problem+json", `{}`, refused},
		{"401 of the bridge", 401, "application/problem+json", `{}`, other},
		{"503 of the API server", 503, "application/json", `{"kind":"Status"}`, unanswered},
		{"502 of the API server", 502, "text/plain", `error trying to reach service`, unanswered},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Webhook-Secret") != "right" {
				t.Errorf("%s: the callback has no secret", c.name)
			}
			w.Header().Set("Content-Type", c.contentType)
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		to := &load{client: server.Client(), url: server.URL, secret: "right"}
		if got := to.post(t.Context(), 1); got.outcome != c.want {
			t.Errorf("%s: outcome %d (%s); want %d", c.name, got.outcome, got.what, c.want)
		}
		server.Close()
		if got := to.post(t.Context(), 1); got.outcome != unanswered {
			t.Errorf("no server: outcome %d; want no answer", got.outcome)
		}
	}
}
