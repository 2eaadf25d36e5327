package tracing_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/tracing"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

const (
	planted   = "planted-credential"
	remote    = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

// collector receives spans by OTLP over HTTP, and answers as the test sets.
type collector struct {
	mu       sync.Mutex
	requests []*http.Request
	spans    []*otlp.ResourceSpans
	statuses []int  // of the next answers; then 200
	answer   []byte // of a 200
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, r)
	if len(c.statuses) > 0 {
		w.WriteHeader(c.statuses[0])
		_, _ = io.WriteString(w, planted)
		c.statuses = c.statuses[1:]
		return
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	raw, _ := io.ReadAll(body)
	var data otlp.TracesData
	if proto.Unmarshal(raw, &data) != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
	c.spans = append(c.spans, data.GetResourceSpans()...)
	_, _ = w.Write(c.answer)
}

// names are those of the received spans.
func (c *collector) names() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.spans {
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				all = append(all, span.GetName())
			}
		}
	}
	return all
}

// settings reads OpenTelemetry's variables as the program does.
func settings(t *testing.T, env map[string]string) config.Traces {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	s, err := config.Load(&config.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Traces
}

// opened are traces, with their metrics and their log.
type opened struct {
	*tracing.Traces
	registry *prometheus.Registry
	log      *bytes.Buffer // complete after Close
}

func open(t *testing.T, env map[string]string) opened {
	t.Helper()
	o := opened{registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	var err error
	if o.Traces, err = tracing.Open(settings(t, env), o.registry, slog.New(slog.NewTextHandler(o.log, nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

// count is a value of crm_bridge_trace_spans_total.
func (o opened) count(t *testing.T, outcome string, want float64) {
	t.Helper()
	families, err := o.registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	for _, one := range families[0].GetMetric() {
		if one.GetLabel()[0].GetValue() == outcome && one.GetCounter().GetValue() != want {
			t.Errorf("%v spans are %s, not %v", one.GetCounter().GetValue(), outcome, want)
		}
	}
}

// follow begins and ends a span below the sender's, and one below that.
func (o opened) follow(t *testing.T, parent string) (outgoing string) {
	ctx, outer := trace.Continue(trace.In(t.Context(), o.Recorder()), parent, "outer", trace.Server)
	outer.Set("crm_bridge.source", "acme-webhooks")
	_, inner := trace.Start(ctx, "inner", trace.Client)
	inner.Fail("503")
	inner.End()
	outer.End()
	return trace.Outgoing(ctx)
}
