package replay

import (
	"errors"
	"net/http"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

const traceParent = "traceparent"

// parentIn returns the traceparent of an event's headers: its post goes on with the event's trace. Empty: it has none.
func parentIn(header map[string][]string) string {
	if values := header[traceParent]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// showTo has an endpoint continue the trace from the span of its request. The span does not show the path, where there may be a token.
func showTo(span *trace.Span, request *http.Request) {
	if span == nil {
		return
	}
	request.Header.Set(traceParent, span.TraceParent())
	span.Set("http.request.method", request.Method)
	span.Set("server.address", request.URL.Hostname())
}

// endSpan ends the span of a post, with what has failed.
func endSpan(span *trace.Span, err error) {
	switch {
	case err == nil:
	case errors.As(err, new(refusal)):
		span.Fail("refused")
	default:
		span.Fail("_OTHER")
	}
	span.End()
}
