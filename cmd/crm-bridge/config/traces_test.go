package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
)

// What OpenTelemetry's variables may say, and what is said of the rest. No problem shows a value.
func TestTraces(t *testing.T) {
	const planted = "planted-secret-value"
	const endpoint, at = "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"
	for _, test := range []struct {
		name string
		env  map[string]string
		says string // the beginning of the problem; empty: there is none
	}{
		{"nothing", nil, ""},
		{"nothing is read while traces are off", map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": planted}, ""},
		{"an endpoint", map[string]string{endpoint: at}, ""},
		{"an endpoint that is not a URL", map[string]string{endpoint: planted}, "OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https URL"},
		{"a query", map[string]string{endpoint: at + "?key=" + planted}, "OTEL_EXPORTER_OTLP_ENDPOINT must be"},
		{"gRPC", map[string]string{endpoint: at, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL grpc is not supported: set it to http/protobuf, and the endpoint to the collector's HTTP port"},
		{"gRPC for other signals", map[string]string{endpoint: at, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, ""},
		{"JSON", map[string]string{endpoint: at, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf"},
		{"an exporter", map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER must be otlp, console or none"},
		{"headers", map[string]string{endpoint: at, "OTEL_EXPORTER_OTLP_HEADERS": planted}, "OTEL_EXPORTER_OTLP_HEADERS must be name=value"},
		{"headers over two lines", map[string]string{endpoint: at, "OTEL_EXPORTER_OTLP_HEADERS": "a=%0d%0ab:" + planted}, "OTEL_EXPORTER_OTLP_HEADERS must be name=value"},
		{"a resource", map[string]string{endpoint: at, "OTEL_RESOURCE_ATTRIBUTES": planted}, "OTEL_RESOURCE_ATTRIBUTES must be name=value"},
		{"a sampler", map[string]string{endpoint: at, "OTEL_TRACES_SAMPLER": planted}, "OTEL_TRACES_SAMPLER must be always_on"},
		{"a ratio", map[string]string{endpoint: at, "OTEL_TRACES_SAMPLER_ARG": "1.5"}, "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1"},
		{"a timeout", map[string]string{endpoint: at, "OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "OTEL_EXPORTER_OTLP_TIMEOUT must be a number of milliseconds"},
		{"a compression", map[string]string{endpoint: at, "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, "OTEL_EXPORTER_OTLP_COMPRESSION must be gzip or none"},
		{"a certificate without its key", map[string]string{endpoint: at, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": planted}, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and"},
		{"a batch that the queue cannot hold", map[string]string{endpoint: at, "OTEL_BSP_MAX_QUEUE_SIZE": "10"}, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE must not be more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			s, err := config.Load(&config.Environment{})
			if err != nil {
				t.Fatal(err)
			}
			said := ""
			if s.Traces.Problem != nil {
				said = s.Traces.Problem.Error()
			}
			if !strings.HasPrefix(said, test.says) || test.says == "" && said != "" || strings.Contains(said, planted) {
				t.Errorf("said %q", said)
			}
		})
	}
}

// Headers may come from a file, as the value of any other variable, and are masked where variables are listed.
func TestTraceHeadersFromAFile(t *testing.T) {
	file := t.TempDir() + "/headers"
	if err := os.WriteFile(file, []byte("authorization=Bearer%20a-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS_FILE", file)
	env := &config.Environment{}
	s, err := config.Load(env)
	if err != nil || s.Traces.Problem != nil || len(s.Traces.Unused) > 0 {
		t.Fatal(err, s.Traces.Problem, s.Traces.Unused)
	}
	pairs, err := config.Pairs(s.Traces.OTLP().Headers)
	if err != nil || len(pairs) != 1 || pairs[0] != [2]string{"authorization", "Bearer a-token"} {
		t.Errorf("%q, %v", pairs, err)
	}
	for _, v := range env.All(nil) {
		if v.Name == "OTEL_EXPORTER_OTLP_HEADERS" && v.Value != "***" {
			t.Errorf("shown as %q", v.Value)
		}
	}
}
