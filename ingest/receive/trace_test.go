package receive_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
	"github.com/crm-bridge/crm-bridge/test/tracetest"
)

const sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// openTraced is open with spans that are kept; an event is published in a span of its own.
func openTraced(r *tracetest.Recorder, change func(*receive.Handler)) *bench {
	return open(func(h *receive.Handler) {
		h.Traces = r
		h.Accept = func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
			ctx, span := trace.Begin(ctx, "publish", trace.Producer)
			defer span.End()
			return accept(ctx, changes)
		}
		if change != nil {
			change(h)
		}
	})
}

// A callback's span continues the trace of its sender, shows the route and no path, and is above what is done for the callback.
func TestCallbackSpans(t *testing.T) {
	r := &tracetest.Recorder{}
	b := openTraced(r, nil)
	b.post("ok", "traceparent", sent)
	if got, want := r.Names(), []string{"POST /plain/{module}", "authenticate", "decode", "publish"}; !slices.Equal(got, want) {
		t.Fatalf("%q, not %q", got, want)
	}
	root := r.Named("POST /plain/{module}")[0]
	if root.Parent != sent || root.Kind != trace.Server {
		t.Errorf("%+v", root)
	}
	for _, name := range []string{"authenticate", "decode", "publish"} {
		if one := r.Named(name)[0]; one.Parent != root.TraceParent() || one.Began.Before(root.Began) || one.Ended.After(root.Ended) {
			t.Errorf("%s is not within the callback: %+v", name, one)
		}
	}
	for key, want := range map[string]string{
		"http.request.method": "POST", "http.route": "/plain/{module}", "http.response.status_code": "200", "crm_bridge.source": "plain", "crm_bridge.outcome": "accepted", "crm_bridge.events": "1",
	} {
		if got := root.Attributes[key]; got != want {
			t.Errorf("%s is %q, not %q", key, got, want)
		}
	}
	for key, value := range root.Attributes {
		if strings.Contains(value, "Deals") {
			t.Errorf("%s shows the path: %q", key, value)
		}
	}
}

// Nothing is exported of requests that are not authenticated: anyone can send them.
func TestForgedCallbacksHaveNoSpans(t *testing.T) {
	r := &tracetest.Recorder{}
	b := openTraced(r, nil)
	for _, body := range []string{"forged", "panic", strings.Repeat("x", 101)} {
		if answer := b.post(body, "traceparent", sent); answer.Code == http.StatusOK {
			t.Fatalf("%q is accepted", body)
		}
	}
	if names := r.Names(); len(names) > 1 || len(names) == 1 && names[0] != "POST /plain/{module}" {
		t.Errorf("exported %q", names)
	}
	for _, root := range r.Named("POST /plain/{module}") {
		if root.Attributes["crm_bridge.outcome"] == "forged" {
			t.Error("a forged callback is exported")
		}
	}
}

// What fails for the bridge's sake is marked as failed, with its status and no text.
func TestFailedCallbackSpans(t *testing.T) {
	r := &tracetest.Recorder{}
	b := openTraced(r, func(h *receive.Handler) {
		h.Accept = func(context.Context, []ingest.Change) ([]ingest.Ack, error) { return nil, ingest.ErrRetry }
	})
	b.post("ok")
	b.post("malformed")
	roots := r.Named("POST /plain/{module}")
	if len(roots) != 2 || roots[0].Attributes["failed"] != "503" || roots[1].Attributes["failed"] != "" || roots[1].Attributes["crm_bridge.outcome"] != "malformed" {
		t.Errorf("%+v", roots)
	}
	if kept := r.Named("quarantine"); len(kept) != 1 || kept[0].Parent != roots[1].TraceParent() {
		t.Errorf("%+v", kept)
	}
}

// The latency of a callback has the id of its trace as an exemplar, if the trace is exported.
func TestExemplars(t *testing.T) {
	for _, unsampled := range []bool{false, true} {
		b := openTraced(&tracetest.Recorder{Unsampled: unsampled}, nil)
		b.post("ok", "traceparent", sent)
		request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
		answer := httptest.NewRecorder()
		promhttp.HandlerFor(b.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(answer, request)
		if has := strings.Contains(answer.Body.String(), `# {trace_id="`+sent[3:35]+`"}`); has == unsampled {
			t.Errorf("unsampled: %v\n%s", unsampled, answer.Body)
		}
	}
}
