package tracing_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/tracing"
)

// Spans reach the collector with their parents, kinds, attributes and resource, compressed, with the configured headers.
func TestSpansAreExported(t *testing.T) {
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	o := open(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL + "/prefix/", "OTEL_EXPORTER_OTLP_HEADERS": "x-token=planted%2Dcredential", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production,service.name=other", "OTEL_SERVICE_NAME": "bridge-of-acme",
	})
	outgoing := o.follow(t, remote)
	o.Close()
	if len(c.requests) != 1 || c.requests[0].URL.Path != "/prefix/v1/traces" || c.requests[0].Header.Get("X-Token") != planted {
		t.Fatalf("%d requests: %+v", len(c.requests), c.requests)
	}
	spans := c.spans[0].GetScopeSpans()[0].GetSpans()
	if len(spans) != 2 {
		t.Fatal(spans)
	}
	inner, outer := spans[0], spans[1]
	if hex.EncodeToString(outer.GetTraceId()) != remote[3:35] || hex.EncodeToString(outer.GetParentSpanId()) != remote[36:52] || outer.GetKind() != otlp.Span_SPAN_KIND_SERVER {
		t.Errorf("the outer span is %v", outer)
	}
	if !bytes.Equal(inner.GetParentSpanId(), outer.GetSpanId()) || inner.GetKind() != otlp.Span_SPAN_KIND_CLIENT || inner.GetStatus().GetCode() != otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("the inner span is %v", inner)
	}
	if want := "00-" + remote[3:35] + "-" + hex.EncodeToString(outer.GetSpanId()) + "-01"; outgoing != want {
		t.Errorf("passed on %q, not %q", outgoing, want)
	}
	of := map[string]string{}
	for _, one := range c.spans[0].GetResource().GetAttributes() {
		of[one.GetKey()] = one.GetValue().GetStringValue()
	}
	if of["service.name"] != "bridge-of-acme" || of["deployment.environment.name"] != "production" || of["service.version"] != config.Release {
		t.Errorf("the resource is %v", of)
	}
	o.count(t, "exported", 2)
}

// A collector that is away, or answers with an error, costs spans, which are counted. It is logged once, without the headers.
func TestFailedExportsAreLoggedOnce(t *testing.T) {
	for _, test := range []struct {
		name     string
		statuses []int
		says     string
	}{
		{"refused", []int{401, 401}, "answers 401 Unauthorized"},
		{"not there", nil, "cannot be reached: connect: connection refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(&collector{statuses: test.statuses})
			defer server.Close()
			if test.statuses == nil {
				server.Close()
			}
			o := open(t, map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer " + planted,
				"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2", "OTEL_BSP_EXPORT_TIMEOUT": "50",
			})
			o.follow(t, "")
			o.follow(t, "")
			o.Close()
			if said := o.log.String(); strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, test.says) || strings.Contains(said, planted) {
				t.Error(said)
			}
			o.count(t, "failed", 4)
		})
	}
}

// What OTLP says may be retried is, and what is rejected of an export is a failure.
func TestExportsAreRetried(t *testing.T) {
	rejected := []byte{0x0a, 0x02, 0x08, 0x01} // partial_success { rejected_spans: 1 }
	for name, test := range map[string]struct {
		collector *collector
		requests  int
		outcome   string
	}{
		"overloaded": {&collector{statuses: []int{503}}, 2, "exported"},
		"bad":        {&collector{statuses: []int{400}}, 1, "failed"},
		"in part":    {&collector{answer: rejected}, 1, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.collector)
			defer server.Close()
			o := open(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": server.URL + "/elsewhere"})
			o.follow(t, "")
			o.Close()
			if got := test.collector.requests; len(got) != test.requests || got[0].URL.Path != "/elsewhere" {
				t.Errorf("%d requests", len(got))
			}
			o.count(t, test.outcome, 2)
		})
	}
}

// The collector's certificate is checked by the configured authorities.
func TestCollectorOverTLS(t *testing.T) {
	c := &collector{}
	server := httptest.NewTLSServer(c)
	defer server.Close()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	o := open(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_CERTIFICATE": file})
	o.follow(t, "")
	o.Close()
	if len(c.names()) != 2 {
		t.Errorf("received %v: %s", c.names(), o.log)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", file+"x")
	if _, err := tracing.Open(settings(t, nil), o.registry, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "OTEL_EXPORTER_OTLP_CERTIFICATE: ") {
		t.Errorf("said %v", err)
	}
}

// The sampler decides on traces that begin here, and with parentbased_ the sender on its own.
func TestSampler(t *testing.T) {
	for _, test := range []struct {
		sampler, arg, parent string
		exported             bool
	}{
		{"always_off", "", remote, false},
		{"always_on", "", unsampled, true},
		{"parentbased_always_on", "", unsampled, false},
		{"parentbased_always_off", "", remote, true},
		{"parentbased_always_off", "", "", false},
		{"traceidratio", "0", remote, false},
		{"parentbased_traceidratio", "1", "", true},
	} {
		t.Run(test.sampler+" "+test.parent, func(t *testing.T) {
			c := &collector{}
			server := httptest.NewServer(c)
			defer server.Close()
			o := open(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_TRACES_SAMPLER": test.sampler, "OTEL_TRACES_SAMPLER_ARG": test.arg})
			outgoing := o.follow(t, test.parent)
			o.Close()
			if exported := len(c.names()) > 0; exported != test.exported || strings.HasSuffix(outgoing, "-01") != test.exported || test.parent != "" && outgoing[:36] != test.parent[:36] {
				t.Errorf("exported %v, and passed on %q", exported, outgoing)
			}
		})
	}
}

// Without an endpoint, or where it is disabled, nothing is opened and nothing registered.
func TestOff(t *testing.T) {
	for _, env := range []map[string]string{
		{},
		{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
	} {
		t.Run("", func(t *testing.T) {
			o := open(t, env)
			if n, err := testutil.GatherAndCount(o.registry); o.Traces != nil || o.Recorder() != nil || n != 0 || err != nil {
				t.Errorf("%v: %v, %d metrics, %v", env, o.Traces, n, err)
			}
		})
	}
}

// The exporter console logs a line for each span.
func TestConsole(t *testing.T) {
	o := open(t, map[string]string{"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "otlp"})
	o.follow(t, remote)
	o.Close()
	for _, want := range []string{"msg=span name=inner kind=client trace=" + remote[3:35], "parent=" + remote[36:52], "crm_bridge.source=acme-webhooks", `have no effect" variables=OTEL_METRICS_EXPORTER`} {
		if !strings.Contains(o.log.String(), want) {
			t.Errorf("no %s in %s", want, o.log)
		}
	}
}

// Spans do not wait for their batch longer than the delay.
func TestSpansAreExportedInTime(t *testing.T) {
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	o := open(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_BSP_SCHEDULE_DELAY": "20"})
	o.follow(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for len(c.names()) < 2 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if len(c.names()) != 2 {
		t.Errorf("received %v", c.names())
	}
}
