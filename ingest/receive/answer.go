package receive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// result is what is logged and counted of one callback.
type result struct {
	*intake
	org           org // that it is of, once it is authenticated
	at            time.Time
	from          netip.Addr
	authenticated bool // it was verified
	turnedAway    bool // it was refused before it could be verified
	status        int
	err           error
	changes       []ingest.Change
	acks          []ingest.Ack
	ignored       error         // an ErrIgnored: it is of an account that is not configured
	kept          []quarantined // what is in quarantine of it: parts, or all of it
	span          *trace.Span
}

// isQuarantined reports whether the callback is safe, but in quarantine alone.
func (r *result) isQuarantined() bool {
	if r.err == nil {
		return false
	}
	var kept inQuarantine
	return errors.As(r.err, &kept)
}

// exported returns the span of a callback whose trace is exported: of an authenticated one. Anyone can send the others as often as they
// like, with a traceparent that asks for their trace.
func (r *result) exported() *trace.Span {
	if !r.authenticated {
		return nil
	}
	return r.span
}

// jsonType is the Content-Type of every 200. Nobody changes it.
var jsonType = []string{echo.MIMEApplicationJSON}

// writeAnswer writes the 200 of a callback.
func writeAnswer(c echo.Context, r *result) error {
	c.Response().Header()[echo.HeaderContentType] = jsonType
	_, err := c.Response().Write(acceptedBody(r.acks, r.kept))
	return err
}

// problem is a problem document (RFC 9457).
type problem struct {
	Type         string        `json:"type"`
	Title        string        `json:"title"`
	Status       int           `json:"status"`
	Detail       string        `json:"detail,omitempty"`
	QuarantineID string        `json:"quarantineId,omitempty"` // the first
	Quarantined  []quarantined `json:"quarantined,omitempty"`  // of a batch of several
}

// problem returns the problem document of a callback that is not accepted.
func (r *result) problem() problem {
	p := problem{Status: r.status, Detail: details[r.status]}
	if !r.isQuarantined() {
		return p
	}
	p.Detail, p.QuarantineID = r.err.Error(), r.kept[0].ID
	if len(r.kept) > 1 {
		p.Quarantined = r.kept
	}
	return p
}

// retryAfter is how long a sender should wait after a 429 or a 503, in seconds.
const retryAfter = "5"

func writeProblem(c echo.Context, p problem) error {
	if c.Response().Committed {
		return nil
	}
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // it is read by people
	if err := encoder.Encode(p); err != nil {
		return err
	}
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		c.Response().Header().Set("Retry-After", retryAfter)
	}
	return c.Blob(p.Status, "application/problem+json", bytes.TrimSpace(body.Bytes()))
}

// fate maps the error of a callback to the status of its answer.
func fate(err error) int {
	if err == nil {
		return 200
	}
	var http *echo.HTTPError
	var kept inQuarantine
	switch {
	case errors.As(err, &kept):
		return 400
	case errors.As(err, &http):
		return http.Code
	case errors.Is(err, errCut):
		return 408
	case errors.Is(err, ingest.ErrForged):
		return 401
	case errors.Is(err, ingest.ErrRetry):
		return 503
	case errors.Is(err, ingest.ErrMalformed):
		return 400
	case errors.Is(err, ingest.ErrTooLarge):
		return 413
	}
	return 503
}

// details are what a caller may learn about a refusal; the log says more.
var details = map[int]string{
	http.StatusBadRequest:                  "The request could not be read.",
	http.StatusUnauthorized:                "The callback is not authenticated.",
	http.StatusNotFound:                    "There is nothing at this path.",
	http.StatusMethodNotAllowed:            "This path does not allow that method; see the Allow header.",
	http.StatusRequestTimeout:              "The body did not arrive in time.",
	http.StatusRequestEntityTooLarge:       "The callback is larger than this bridge accepts.",
	http.StatusUnsupportedMediaType:        "The body must come without a Content-Encoding.",
	http.StatusRequestHeaderFieldsTooLarge: "The header is larger than this bridge accepts.",
	http.StatusTooManyRequests:             "More callbacks a second than this bridge accepts; send it again later.",
	http.StatusInternalServerError:         "The bridge failed on this request.",
	http.StatusServiceUnavailable:          "The event could not be stored in time; send the callback again.",
}

// report logs and counts a callback; panicked is what recover returned, and is raised again.
func (h *Handler) report(r *result, panicked any) {
	if panicked != nil {
		r.status, r.err = 500, fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
	}
	took := time.Since(r.at)
	outcome := outcomes[r.status]
	switch {
	case r.isQuarantined():
		outcome = outcomes[http.StatusBadRequest]
	case r.status == http.StatusBadRequest:
		outcome = "unreadable"
	case r.ignored != nil:
		outcome = "ignored"
	}
	span := r.exported()
	endTrace(span, r.label, outcome, len(r.acks), r.status)
	r.metrics.count(outcome, took, len(r.kept), span.TraceID())
	r.metrics.see(outcome, r.status, r.authenticated, r.at)
	if r.status == http.StatusRequestEntityTooLarge {
		h.Metrics.limitHits.WithLabelValues("body").Inc()
	}
	for _, ack := range r.acks {
		if ack.Duplicate {
			h.Metrics.duplicates.WithLabelValues(r.label).Inc()
		}
	}
	h.note(r)
	if r.err == nil || !h.refusals.repeats(h, r) {
		h.logLine(r, took)
	}
	if panicked != nil {
		panic(panicked)
	}
}

func (h *Handler) logLine(r *result, took time.Duration) {
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs, slog.String("source", r.label), slog.Int("status", r.status), slog.Float64("ms", float64(took.Microseconds())/1000))
	if r.org.crm != nil {
		attrs = append(attrs, slog.String("org", r.org.key))
	}
	if len(r.changes) > 0 && r.err == nil { // a refused callback may contain a secret anywhere
		change := r.changes[0]
		attrs = append(attrs, slog.String("module", change.Module), slog.String("operation", change.Operation), slog.Int("records", len(change.IDs)))
	}
	if len(r.acks) > 0 {
		first := r.acks[0]
		attrs = append(attrs, slog.String("event", first.ID), slog.String("stream", first.Stream), slog.Uint64("sequence", first.Sequence))
		if len(r.acks) > 1 {
			attrs = append(attrs, slog.Int("events", len(r.acks)))
		}
		if first.Duplicate {
			attrs = append(attrs, slog.Bool("duplicate", true))
		}
	}
	if len(r.kept) > 0 {
		attrs = append(attrs, slog.String("quarantine", r.kept[0].ID))
	}
	if len(r.kept) > 1 {
		attrs = append(attrs, slog.Int("quarantined", len(r.kept)))
	}
	level, text := slog.LevelInfo, "callback accepted"
	switch {
	case r.ignored != nil:
		text = "callback ignored"
		attrs = append(attrs, slog.String("reason", r.ignored.Error()))
	case r.err == nil && len(r.kept) > 0:
		level, text = slog.LevelWarn, "callback accepted in part"
		attrs = append(attrs, slog.String("reason", r.kept[0].Detail))
	case r.err != nil:
		attrs = append(attrs, slog.String("from", r.from.String()), slog.String("reason", r.err.Error()))
		switch level = slog.LevelWarn; {
		case r.isQuarantined():
			text = "callback quarantined"
		case r.status >= 500:
			level, text = slog.LevelError, "callback failed"
		default:
			text = "callback refused"
		}
	}
	h.Log.LogAttrs(context.Background(), level, text, attrs...)
}
