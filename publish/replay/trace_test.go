package replay

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
	"github.com/crm-bridge/crm-bridge/test/tracetest"
)

// A post continues the trace of its event, and the endpoint continues that of the post. No span shows the URL.
func TestPostsAreTraced(t *testing.T) {
	const published = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	var got []string
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Traceparent"))
		if strings.HasSuffix(r.URL.Path, "/refused") {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer endpoint.Close()
	r := &tracetest.Recorder{}
	ctx := trace.In(t.Context(), r)
	for _, path := range []string{"/planted/taken", "/planted/refused"} {
		to := Endpoint{URL: endpoint.URL + path + "?planted=1", Patience: time.Minute}
		if err := to.Begin(ctx, 0, 0); err != nil {
			t.Fatal(err)
		}
		_ = to.post(ctx, map[string][]string{"traceparent": {published}}, nil)
	}
	spans := r.Named(http.MethodPost)
	if len(spans) != 2 || spans[0].Parent != published || spans[0].Kind != trace.Client || spans[0].Attributes["http.response.status_code"] != "200" || spans[1].Attributes["failed"] != "refused" {
		t.Fatalf("%+v", spans)
	}
	for i, span := range spans {
		if got[i] != span.TraceParent() {
			t.Errorf("the endpoint got %q, not %q", got[i], span.TraceParent())
		}
		for key, value := range span.Attributes {
			if strings.Contains(value, "planted") {
				t.Errorf("%s shows the URL: %q", key, value)
			}
		}
	}
}
