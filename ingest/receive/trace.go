package receive

import (
	"context"
	"net/http"
	"strconv"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// beginTrace begins the span of a request to a route, below the trace of its sender; nil: callbacks are not traced. It shows neither the
// path nor the query, which may hold secrets.
func beginTrace(to trace.Recorder, r *http.Request, route string) *trace.Span {
	if to == nil {
		return nil
	}
	_, span := trace.Continue(trace.In(context.Background(), to), ingest.TraceParent(r.Header), r.Method+" "+route, trace.Server)
	span.Set("http.request.method", r.Method)
	span.Set("http.route", route)
	return span
}

// endTrace ends the span of a callback; nil: it is not exported.
func endTrace(span *trace.Span, source, outcome string, events, status int) {
	span.Set("crm_bridge.source", source)
	span.Set("crm_bridge.outcome", outcome)
	span.SetInt("crm_bridge.events", events)
	span.SetInt("http.response.status_code", status)
	if status >= http.StatusInternalServerError {
		span.Fail(strconv.Itoa(status))
	}
	span.End()
}
