package rest

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
	"github.com/crm-bridge/crm-bridge/test/tracetest"
)

// A request to a CRM has a span that shows neither its path nor its query nor its headers, and the CRM does not get the trace.
func TestRequestsAreTraced(t *testing.T) {
	const secret = "planted-secret"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" {
			t.Error("the CRM gets the trace")
		}
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that its client has gone
		if strings.HasSuffix(r.URL.Path, "/late") {
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	r := &tracetest.Recorder{}
	for _, path := range []string{"/", "/late"} {
		request, err := NewRequest(trace.In(t.Context(), r), http.MethodPut, server.URL+"/"+secret+path+"?auth="+secret, map[string]string{"value": secret})
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+secret)
		_, _ = Sender{Timeout: 100 * time.Millisecond, MaxAnswer: 2048}.Do(request)
	}
	spans := r.Named(http.MethodPut)
	if len(spans) != 2 || spans[0].Kind != trace.Client || spans[0].Attributes["failed"] != "429" || spans[1].Attributes["failed"] != "timeout" {
		t.Fatalf("%+v", spans)
	}
	for _, span := range spans {
		if text := strings.Join(slices.Collect(maps.Values(span.Attributes)), " "); strings.Contains(text, secret) || !strings.Contains(text, "127.0.0.1") {
			t.Error(text)
		}
	}
}
