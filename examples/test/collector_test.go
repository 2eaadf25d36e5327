package test

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// received are spans that programs have exported by OTLP over HTTP.
type received struct {
	url string

	mu    sync.Mutex
	bytes bytes.Buffer // of all requests
	spans []exported
}

// exported is a span, with the service.name of its program.
type exported struct {
	*otlp.Span
	service string
}

// startCollector starts what receives spans, as an OpenTelemetry collector does.
func startCollector(t *testing.T) *received {
	t.Helper()
	r := &received{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		var export collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &export)
		}
		if err != nil || request.URL.Path != "/v1/traces" || request.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s of %s: %v", request.URL.Path, request.Header.Get("Content-Type"), err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.add(body, &export)
		answer, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *received) add(body []byte, export *collector.ExportTraceServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes.Write(body)
	for _, of := range export.GetResourceSpans() {
		service := text(of.GetResource().GetAttributes(), "service.name")
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				r.spans = append(r.spans, exported{span, service})
			}
		}
	}
}

// trace returns the spans of a trace, by name.
func (r *received) trace(id string) map[string]exported {
	r.mu.Lock()
	defer r.mu.Unlock()
	spans := map[string]exported{}
	for _, span := range r.spans {
		if hex.EncodeToString(span.GetTraceId()) == id {
			spans[span.GetName()] = span
		}
	}
	return spans
}

// text is the text of an attribute; empty: there is none.
func text(attributes []*common.KeyValue, key string) string {
	for _, one := range attributes {
		if one.GetKey() == key {
			return one.GetValue().GetStringValue()
		}
	}
	return ""
}
