package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
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

	Public  map[string]http.Handler // further GET routes, open to everyone, by path pattern
	Log     *slog.Logger
	Metrics *Metrics
}

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
	e.Use(h.recoverPanics, bound(h.MaxInFlight, h.Metrics))

	for label, source := range h.Sources {
		for _, route := range source.Routes() {
			e.Add(route.Method, pathParam.ReplaceAllString(route.Path, ":$1"), func(c echo.Context) error {
				return h.answer(c, label, source)
			})
		}
	}
	for pattern, public := range h.Public {
		e.GET(pathParam.ReplaceAllString(pattern, ":$1"), echo.WrapHandler(public))
	}
	return e
}

// answer takes one callback from its first byte to its answer.
func (h *Handler) answer(c echo.Context, label string, source Source) error {
	start := time.Now()
	outcome := &result{source: label, at: start}
	defer func() { h.report(outcome, recover()) }()

	cb, err := h.read(c, label, start)
	if err == nil {
		// A CRM that hangs up has still told us of a change, and may never tell again: only time ends the work.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), h.AnswerTimeout)
		defer cancel()
		err = h.take(ctx, source, cb, outcome)
	}
	if outcome.status, outcome.err = fate(err), err; err == nil {
		return c.JSON(http.StatusOK, answer{Events: outcome.acks})
	}
	return writeProblem(c, problem{Status: outcome.status, Detail: detail(outcome), QuarantineID: outcome.quarantineID})
}

// take verifies, decodes and makes safe. A malformed callback is safe when its copy is in quarantine.
func (h *Handler) take(ctx context.Context, source Source, cb Callback, into *result) error {
	if err := source.Verify(ctx, cb); err != nil {
		return err
	}
	changes, err := source.Decode(cb)
	if err == nil && len(changes) > 0 {
		trace := traceParent(cb.Header)
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

// read makes a Callback of a request whose body is within the limit.
func (h *Handler) read(c echo.Context, label string, at time.Time) (Callback, error) {
	r := c.Request()
	if encoding := r.Header.Get(echo.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return Callback{}, echo.ErrUnsupportedMediaType
	}
	if r.ContentLength > h.MaxBody {
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
		if params[name] = c.Param(name); strings.Contains(params[name], "/") {
			return Callback{}, echo.ErrNotFound // Echo lets the last parameter of a path run on to its end
		}
	}
	return Callback{
		Source: label, At: at.UTC(), Method: r.Method, Path: r.URL.Path, Header: r.Header,
		Query: r.URL.Query(), Params: params, Body: body,
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

// bound refuses requests beyond limit at once.
func bound(limit int, metrics *Metrics) echo.MiddlewareFunc {
	slots := make(chan struct{}, limit)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
				return next(c)
			default:
				metrics.limitHits.WithLabelValues("in_flight").Inc()
				return echo.ErrServiceUnavailable
			}
		}
	}
}

// Labels returns the labels of the sources in order.
func (h *Handler) Labels() []string {
	labels := make([]string, 0, len(h.Sources))
	for label := range h.Sources {
		labels = append(labels, label)
	}
	sort.Strings(labels)
	return labels
}

var traceParentPattern = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

func traceParent(header http.Header) string {
	if value := header.Get("traceparent"); traceParentPattern.MatchString(value) {
		return value
	}
	return ""
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
