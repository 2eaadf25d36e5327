package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"
)

// Handler answers callbacks: each is read, verified, decoded and made safe before its 200. Set the fields once, then
// serve it.
type Handler struct {
	Sources    map[string]Source // by label
	Accept     Accept
	Quarantine Quarantine

	MaxBody       int64         // bytes; a longer body is refused with 413
	MaxInFlight   int           // requests at once; one more is refused with 503
	AnswerTimeout time.Duration // not safe by then: 503
	Rate          float64       // proven callbacks a second for each source; more are refused with 429; 0: no limit

	Allow          Networks // where callbacks may come from; empty: anywhere
	TrustedProxies Networks // peers whose X-Forwarded-For is believed

	Missed  func(at time.Time)  // is told of each callback that is refused with 503 or 429; nil: nobody is
	Public  map[string]Document // documents that everyone may GET, by path pattern
	Log     *slog.Logger
	Metrics *Metrics
}

// Document returns what stands at a path, with the headers of its answer; ok is false where there is nothing. It may be kept
// for an hour unless Cache-Control says otherwise.
type Document func(path string) (header http.Header, body []byte, ok bool)

var pathParam = regexp.MustCompile(`\{([a-z]+)\}`)

// HTTP returns the routes of all sources as one http.Handler.
func (h *Handler) HTTP() http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		var http *echo.HTTPError
		if !errors.As(err, &http) || http.Code == 500 {
			h.Log.Error("request failed", "path", c.Path(), "error", err)
			http = echo.ErrInternalServerError
		}
		_ = writeProblem(c, problem{Status: http.Code, Detail: details[http.Code]})
	}
	e.Use(h.recoverPanics)
	limits, slots := h.limiters(), make(chan struct{}, h.MaxInFlight)

	for label, source := range h.Sources {
		for _, route := range source.Routes() {
			e.Add(route.Method, pathParam.ReplaceAllString(route.Path, ":$1"), func(c echo.Context) error {
				return h.answer(c, label, source, limits[label], slots)
			})
		}
	}
	for pattern, public := range h.Public {
		e.Match([]string{http.MethodGet, http.MethodHead}, pathParam.ReplaceAllString(pattern, ":$1"), func(c echo.Context) error {
			header, body, ok := public(c.Request().URL.Path)
			if !ok {
				return echo.ErrNotFound
			}
			answer := c.Response().Header()
			answer.Set("Cache-Control", "public, max-age=3600")
			answer.Set("X-Content-Type-Options", "nosniff")
			maps.Copy(answer, header)
			return c.Blob(http.StatusOK, header.Get("Content-Type"), body)
		})
	}
	return e
}

// answer takes one callback from its first byte to its answer.
func (h *Handler) answer(c echo.Context, label string, source Source, limit *rate.Limiter, slots chan struct{}) error {
	start := time.Now()
	outcome := &result{source: label, at: start, from: h.client(c.Request()), limit: limit}
	defer func() { h.report(outcome, recover()) }()

	release, err := h.enter(slots)
	defer release()
	if err == nil {
		err = h.admit(outcome.from)
	}
	var cb Callback
	if err == nil {
		cb, err = h.read(c, label, start)
	}
	if err == nil {
		// A CRM that hangs up has still told us of a change, and may never tell again: only time ends the work.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), h.AnswerTimeout)
		defer cancel()
		err = h.take(ctx, source, cb, outcome)
	}
	if outcome.status, outcome.err = fate(err), err; err == nil {
		return writeAnswer(c, outcome.acks)
	}
	return writeProblem(c, problem{Status: outcome.status, Detail: detail(outcome), QuarantineID: outcome.quarantineID})
}

// take verifies, decodes and makes safe. A malformed callback is safe when its copy is in quarantine.
func (h *Handler) take(ctx context.Context, source Source, cb Callback, into *result) error {
	if err := source.Verify(ctx, cb); err != nil {
		return err
	}
	// Only what is proven counts, or strangers could use up the rate of the CRM.
	if into.limit != nil && !into.limit.Allow() {
		h.Metrics.limitHits.WithLabelValues("rate").Inc()
		return echo.ErrTooManyRequests
	}
	changes, err := source.Decode(cb)
	if err == nil && ctx.Err() != nil {
		return fmt.Errorf("%w: decoding it took longer than BRIDGE_ANSWER_TIMEOUT", ErrRetry)
	}
	if err == nil && len(changes) > 0 {
		trace := TraceParent(cb.Header)
		for i := range changes {
			changes[i].TraceParent = trace
		}
		into.changes = changes
		into.acks, err = h.Accept(ctx, changes)
	}
	if !errors.Is(err, ErrMalformed) {
		return err
	}
	id, failed := h.Quarantine(ctx, cb, err)
	if failed != nil {
		return fmt.Errorf("%w: quarantine: %w; it was kept out of the stream because: %s", ErrRetry, failed, err.Error())
	}
	into.quarantineID = id
	return err
}

// maxDiscard is how much of a body that is too long is read all the same: a sender whose connection is cut while it still
// sends never sees the answer.
const maxDiscard = 16 << 20

// read makes a Callback of a request whose body is within the limit.
func (h *Handler) read(c echo.Context, label string, at time.Time) (Callback, error) {
	r := c.Request()
	if encoding := r.Header.Get(echo.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return Callback{}, echo.ErrUnsupportedMediaType
	}
	if r.ContentLength > h.MaxBody {
		_, _ = io.CopyN(io.Discard, r.Body, maxDiscard)
		return Callback{}, echo.ErrStatusRequestEntityTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, h.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return Callback{}, echo.ErrStatusRequestEntityTooLarge
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return Callback{}, echo.ErrRequestTimeout
	case err != nil:
		return Callback{}, echo.ErrBadRequest
	}
	params := make(map[string]string, len(c.ParamNames()))
	for _, name := range c.ParamNames() {
		value := c.Param(name)
		if r.URL.RawPath != "" { // then Echo takes parameters from it as they are written
			if value, err = url.PathUnescape(value); err != nil {
				return Callback{}, echo.ErrNotFound
			}
		}
		if params[name] = value; strings.Contains(c.Param(name), "/") {
			return Callback{}, echo.ErrNotFound // Echo lets the last parameter of a path run on to its end
		}
	}
	return Callback{
		Source: label, At: at.UTC(), From: h.client(r), Method: r.Method, Path: r.URL.Path, Header: r.Header,
		Query: Values(r.URL.RawQuery), RawQuery: r.URL.RawQuery, Params: params, Body: body,
	}, nil
}

func (h *Handler) recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = echo.ErrInternalServerError
			}
		}()
		return next(c)
	}
}

var (
	traceParentPattern = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$`)
	traceParentInvalid = regexp.MustCompile(`^ff|^00-.{52}-|^..-0{32}|^.{35}-0{16}`)
)

// TraceParent returns a request's W3C traceparent, or nothing where it is not a valid one.
func TraceParent(header http.Header) string {
	value := header.Get("traceparent")
	if len(value) > 200 || !traceParentPattern.MatchString(value) || traceParentInvalid.MatchString(value) {
		return ""
	}
	return value
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
