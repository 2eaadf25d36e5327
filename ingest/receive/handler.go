// Package receive receives callbacks over HTTP. It limits the resources that unauthenticated senders can use, has each callback verified
// and decoded by its Source, passes the changes to Accept, and answers when they are stored.
package receive

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// Handler answers callbacks: each is read, verified, decoded and stored before its 200. Set the fields once, then serve it.
type Handler struct {
	Sources    []ingest.Source // of the CRMs' first orgs
	Further    []*ingest.CRM   // further orgs of the same CRMs, whose callbacks come to the same routes
	Accept     ingest.Accept
	Quarantine ingest.Quarantine

	MaxBody     int64 // bytes; a larger body is refused with 413
	MaxInFlight int   // requests at once; one more is refused with 503
	// MaxInFlightBytes limits the bytes of bodies in flight, from the first byte until the answer: the slowest unfinished ones are cut
	// with 408, then a new one is refused with 503. The memory that callbacks need beside their bodies is limited to nine eighths of it.
	// 0: 256 MiB.
	MaxInFlightBytes int64
	// PerRecord says that Accept makes one event per record, each with the whole callback.
	PerRecord     bool
	AnswerTimeout time.Duration // not stored by then: 503
	Rate          float64       // authenticated callbacks a second for each source; more are refused with 429; 0: no limit

	Allow          ingest.Networks // where callbacks may come from; empty: anywhere
	TrustedProxies ingest.Networks // peers whose X-Forwarded-For is trusted
	Prefixes       []string        // percent-encoded paths below which the routes are too: those of public URLs, which a proxy may keep

	// Missed is called with the CRM.Key and the account of refused callbacks that the CRM may not repeat (DESIGN.md, 12); an empty
	// account stands for all. nil: not called.
	Missed func(key, account string, at time.Time)
	Public map[string]PublicFile // documents that everyone may GET, by path pattern
	// Prove returns the answer to a probe of the document at a path; empty: it is made with another secret. nil: probes are not answered.
	Prove   func(path, probe string) (proof string)
	Log     *slog.Logger
	Metrics *Metrics
	Traces  trace.Recorder // nil: callbacks are not traced

	refusals refusals
	misses   misses
}

// PublicFile returns the document at a path, with the headers of its answer; ok is false if there is none. It may be cached for an hour
// unless its Cache-Control says otherwise.
type PublicFile func(path string) (header http.Header, body []byte, ok bool)

var pathParam = regexp.MustCompile(`\{([a-z]+)\}`)

// HTTP returns the routes of all sources as one http.Handler.
func (h *Handler) HTTP() http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if c.Response().Committed { // its client has gone, which anyone can do as often as they like
			h.Log.Debug("answer not sent", "path", c.Path(), "error", err)
			return
		}
		var http *echo.HTTPError
		if !errors.As(err, &http) || http.Code == 500 {
			h.Log.Error("request failed", "path", c.Path(), "error", err)
			http = echo.ErrInternalServerError
		}
		_ = writeProblem(c, problem{Status: http.Code, Detail: details[http.Code]})
	}
	limits, capacity, deadlines := h.limiters(), h.capacity(), &deadlines{timeout: h.AnswerTimeout}
	secrets := secretsOf(h.Sources, h.Further)
	for _, source := range h.Sources {
		all := orgsOf(source, h.Further, secrets)
		in := &intake{orgs: all, limit: limits[all.label], capacity: capacity, deadlines: deadlines, metrics: h.Metrics.of(all.label)}
		for _, route := range source.Routes() {
			e.Add(route.Method, pathParam.ReplaceAllString(route.Path, ":$1"), recoverPanics(func(c echo.Context) error {
				return h.answer(c, in, route.Path)
			}))
		}
	}
	readers, probes := make(chan struct{}, maxReaders), newProber(h.Prove, h.admit, h.Metrics.countProbe, h.Log)
	for pattern, public := range h.Public {
		e.Match([]string{http.MethodGet, http.MethodHead}, pathParam.ReplaceAllString(pattern, ":$1"), recoverPanics(func(c echo.Context) error {
			select {
			case readers <- struct{}{}:
				defer func() { <-readers }()
			default:
				h.Metrics.limitHits.WithLabelValues("documents").Inc()
				return echo.ErrServiceUnavailable
			}
			header, body, ok := public(c.Request().URL.Path)
			if !ok {
				return echo.ErrNotFound
			}
			answer := c.Response().Header()
			answer.Set("Cache-Control", "public, max-age=3600")
			answer.Set("X-Content-Type-Options", "nosniff")
			maps.Copy(answer, header)
			probes.answer(c.Request(), h.client(c.Request()), answer)
			return c.Blob(http.StatusOK, header.Get("Content-Type"), body)
		}))
	}
	return withoutPrefixes(h.Prefixes, patternsOf(h.Sources, maps.Keys(h.Public)), e)
}

// maxReaders bounds how many requests for documents are answered at once.
const maxReaders = 64

// intake is what the callbacks of one source pass.
type intake struct {
	orgs
	limit     *rate.Limiter // of authenticated ones; nil: none
	capacity  *capacity     // of all sources
	deadlines *deadlines
	metrics   *sourceMetrics
}

// answer handles one callback to a route from its first byte to its answer.
func (h *Handler) answer(c echo.Context, in *intake, route string) error {
	outcome := &result{intake: in, at: time.Now(), from: h.client(c.Request())}
	outcome.span = beginTrace(h.Traces, c.Request(), route)
	defer func() { h.report(outcome, recover()) }()

	err := h.receive(c, outcome)
	if outcome.status, outcome.err = fate(err), err; err == nil {
		return writeAnswer(c, outcome)
	}
	if _, forgiving := in.of[0].source.(ingest.Forgiving); forgiving && outcome.isQuarantined() {
		outcome.status = http.StatusOK
	}
	if outcome.status == http.StatusRequestTimeout {
		c.Response().Header().Set("Connection", "close") // the rest of its body is not read
	}
	return writeProblem(c, outcome.problem())
}

// receive admits, reads and processes a callback, and releases what it holds.
func (h *Handler) receive(c echo.Context, into *result) error {
	if err := h.admit(into.from); err != nil {
		return err
	}
	cb, err := head(c, into.label, into.at)
	if err != nil {
		return err
	}
	cb.From = into.from
	r := c.Request()
	into.org, into.authenticated = into.shown(r.Context(), cb)
	first := h.firstBytes(r)
	reservation, err := into.capacity.enter(into.authenticated, max(0, headerBytes(r)-firstRead)+first, c.Response())
	if err != nil {
		into.turnedAway = true
		h.discardRest(c)
		return err
	}
	defer reservation.release()
	cb.Body, err = h.readBody(r, reservation, first)
	if cut := reservation.finish(); cut != nil {
		err = cut
	}
	if errors.Is(err, errTooMuchHeld) {
		into.turnedAway = true
		h.discardRest(c)
	}
	if err != nil {
		return err
	}
	// A CRM that closes the connection has still reported a change, and may not repeat it: only the timeout ends the work.
	return h.take(into.span.In(into.deadlines.from(time.Now())), cb, into)
}

// head returns the Callback of a request, without its body.
func head(c echo.Context, label string, at time.Time) (ingest.Callback, error) {
	r := c.Request()
	if encoding := r.Header.Get(echo.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return ingest.Callback{}, echo.ErrUnsupportedMediaType
	}
	var params map[string]string
	for _, name := range c.ParamNames() {
		if params == nil {
			params = map[string]string{}
		}
		value := c.Param(name)
		if r.URL.RawPath != "" { // then Echo does not unescape parameters
			var err error
			if value, err = url.PathUnescape(value); err != nil {
				return ingest.Callback{}, echo.ErrNotFound
			}
		}
		if params[name] = value; strings.Contains(c.Param(name), "/") {
			return ingest.Callback{}, echo.ErrNotFound // Echo's last parameter matches the rest of the path
		}
	}
	return ingest.Callback{
		Source: label, At: at.UTC(), Method: r.Method, Host: r.Host, Path: r.URL.Path, Header: r.Header,
		Query: body.Values(r.URL.RawQuery), RawQuery: r.URL.RawQuery, URI: uriOf(r), Params: params, Parsed: &ingest.Parsed{},
	}, nil
}

// uriOf returns path and query of a request as its sender wrote them.
func uriOf(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI() // without the host that a proxy was sent
}

func recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = echo.ErrInternalServerError
			}
		}()
		return next(c)
	}
}
