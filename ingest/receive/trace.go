package receive

import (
	"context"
	"net/http"
	"strconv"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// trace begins the span of a request to a route, below the trace of its sender; nil: callbacks are not traced. It shows neither the path
// nor the query, which may hold secrets.
func (h *Handler) trace(r *http.Request, route string) *trace.Span {
	if h.Traces == nil {
		return nil
	}
	_, span := trace.Continue(trace.In(context.Background(), h.Traces), ingest.TraceParent(r.Header), r.Method+" "+route, trace.Server)
	span.Set("http.request.method", r.Method)
	span.Set("http.route", route)
	return span
}

// isTraced reports whether the spans of a callback are exported: those of an authenticated one. Anyone can send the others as often as
// they like, with a traceparent that asks for their trace.
func (r *result) isTraced() bool { return r.span != nil && r.authenticated }

// endTrace ends the span of a callback.
func (r *result) endTrace(outcome string) {
	if !r.isTraced() {
		return
	}
	r.span.Set("crm_bridge.source", r.label)
	r.span.Set("crm_bridge.outcome", outcome)
	r.span.SetInt("crm_bridge.events", len(r.acks))
	r.span.SetInt("http.response.status_code", r.status)
	if r.status >= http.StatusInternalServerError {
		r.span.Fail(strconv.Itoa(r.status))
	}
	r.span.End()
}

// traceID returns the id of the callback's trace; empty: it is not exported.
func (r *result) traceID() string {
	if !r.isTraced() {
		return ""
	}
	return r.span.TraceID()
}
