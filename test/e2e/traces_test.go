package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collected are spans that programs have exported, and all bytes that they sent.
type collected struct {
	env []string // of a program that exports to it

	mu    sync.Mutex
	bytes bytes.Buffer
	spans []*otlp.Span
}

// startCollector starts what receives spans by OTLP over HTTP.
func startCollector(t *testing.T) *collected {
	t.Helper()
	c := &collected{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var data otlp.TracesData
		if err == nil {
			err = proto.Unmarshal(body, &data)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bytes.Write(body)
		for _, of := range data.GetResourceSpans() {
			for _, scope := range of.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(server.Close)
	c.env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + server.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=" + planted["collector's token"], "OTEL_BSP_SCHEDULE_DELAY=50"}
	return c
}

// named returns the spans whose name begins so.
func (c *collected) named(prefix string) (all []*otlp.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		if strings.HasPrefix(span.GetName(), prefix) {
			all = append(all, span)
		}
	}
	return all
}

// text is all that was exported.
func (c *collected) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes.String()
}

// attribute is the text of an attribute of a span.
func attribute(span *otlp.Span, key string) string {
	for _, one := range span.GetAttributes() {
		if one.GetKey() == key {
			return one.GetValue().GetStringValue()
		}
	}
	return ""
}

// Calls of the CRM's API, reads of records and posts of a replay are traced, and what is traced shows no data of the CRM, no record's id
// and no credential.
func TestTracesOfCallsReadsAndPosts(t *testing.T) {
	t.Parallel()
	const value, path = "Planted Ada Lovelace", "planted-path"
	c := startCollector(t)
	crm, env := keepsRecords(t)
	env = append(env, c.env...)
	dir := t.TempDir()
	b := start(t, dir, env...)
	waitFor(t, func() bool { return len(crm.Live()) == 1 })
	id, err := crm.Create("Deals", map[string]any{"Stage": value})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(c.named("read records")) > 0 && len(c.named("publish CRM")) > 0 })
	read := c.named("read records")[0]
	waitFor(t, func() bool {
		return slices.ContainsFunc(c.named(http.MethodGet), func(call *otlp.Span) bool { return bytes.Equal(call.GetParentSpanId(), read.GetSpanId()) })
	})
	if attribute(read, "crm_bridge.module") != "Deals" || len(c.named(http.MethodPost)) == 0 {
		t.Errorf("%v, and %d posts", read, len(c.named(http.MethodPost)))
	}

	if text := openMetrics(t, b); !strings.Contains(text, `# {trace_id="`) {
		t.Errorf("no exemplar in\n%s", text)
	}
	var got string
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Traceparent") }))
	defer endpoint.Close()
	before := len(c.named(http.MethodPost))
	out, code := elsewhere(t, append(slices.Clone(env), "BRIDGE_DATA_DIR="+dir), "replay", "--subject", "crm.zoho.Deals.create", "--to", endpoint.URL+"/"+path+"?key="+path, "--state", t.TempDir()+"/job")
	if code != 0 {
		t.Fatal(out)
	}
	waitFor(t, func() bool { return len(c.named(http.MethodPost)) > before })
	post, published := c.named(http.MethodPost)[before], c.named("publish CRM")[0]
	if !bytes.Equal(post.GetTraceId(), published.GetTraceId()) || !bytes.Equal(post.GetParentSpanId(), published.GetSpanId()) || !strings.Contains(got, "-") {
		t.Errorf("the post is %v, below %v; the endpoint got %q", post, published, got)
	}
	before = len(c.named(http.MethodPost))
	if out, code := elsewhere(t, env, "tail", "crm.zoho.Deals.create", "--since", "1h", "--count", "1", "--to", endpoint.URL+"/"+path); code != 0 {
		t.Fatal(out)
	}
	if posts := c.named(http.MethodPost); len(posts) <= before || !bytes.Equal(posts[len(posts)-1].GetParentSpanId(), published.GetSpanId()) {
		t.Errorf("tail --to has no span below the event's: %v", posts[before:])
	}
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, secret := range append(env, value, id, path, planted["collector's token"]) {
		if _, value, ok := strings.Cut(secret, "="); ok {
			secret = value
		}
		if len(secret) > 8 && strings.Contains(c.text(), secret) && !strings.HasPrefix(secret, "http") {
			t.Errorf("the traces show %q", secret)
		}
	}
}

// openMetrics is what a bridge answers to a Prometheus that prefers OpenMetrics.
func openMetrics(t *testing.T, b *bridge) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.Admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
	_, text := do(t, request)
	return text
}

// Without an endpoint the metrics are as they always were, and a protocol that there is not stops the start.
func TestTracesAreOff(t *testing.T) {
	t.Parallel()
	b := start(t, t.TempDir(), "OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
	if text := openMetrics(t, b); strings.Contains(text, "# EOF") || strings.Contains(text, "trace_spans_total") {
		t.Error(text)
	}
	wrong := []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317"}
	for _, args := range [][]string{{"serve"}, {"config", "check", "--offline"}} {
		if out, code := elsewhere(t, wrong, args...); code != 1 || !strings.Contains(out, "OTEL_EXPORTER_OTLP_PROTOCOL grpc is not supported: set it to http/protobuf") {
			t.Errorf("%s ended with %d: %s", args, code, out)
		}
	}
	if out, code := elsewhere(t, wrong, "config"); code != 0 || !strings.Contains(out, `"name":"OTEL_EXPORTER_OTLP_ENDPOINT","value":"http://127.0.0.1:4317","from":"environment"`) {
		t.Errorf("config ended with %d: %s", code, out)
	}
}
