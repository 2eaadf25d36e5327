package rest

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// traced sends a request in a span that shows neither its path and query, where some CRMs take credentials, nor what is sent. The CRM
// does not get the trace.
func traced(do func(*http.Request) (*http.Response, error), request *http.Request) (*http.Response, error) {
	_, span := trace.Begin(request.Context(), request.Method, trace.Client)
	if span == nil {
		return do(request)
	}
	defer span.End()
	span.Set("http.request.method", request.Method)
	span.Set("server.address", request.URL.Hostname())
	if port, err := strconv.Atoi(request.URL.Port()); err == nil {
		span.SetInt("server.port", port)
	}
	response, err := do(request)
	switch {
	case err == nil:
		span.SetInt("http.response.status_code", response.StatusCode)
		if response.StatusCode >= http.StatusBadRequest {
			span.Fail(strconv.Itoa(response.StatusCode))
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		span.Fail("timeout")
	default:
		span.Fail("unreachable")
	}
	return response, err
}
