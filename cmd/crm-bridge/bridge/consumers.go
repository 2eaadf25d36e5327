package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// consumersTimeout bounds an answer about consumers.
const consumersTimeout = 20 * time.Second

// consumerRoutes answers the command consumers.
type consumerRoutes struct {
	view *consumers.View
	log  *slog.Logger
}

// Cleared is how many messages were, or with a dry run would be, removed from the list of what a consumer gave up on.
type Cleared struct {
	Consumer    string `json:"consumer"`
	Cleared     int    `json:"cleared"`
	NotReplayed int    `json:"notReplayed,omitempty"` // of these, before they are cleared
}

// routes returns what the command requests.
func (c *consumerRoutes) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /consumers":             answerLines(c.list),
		"GET /consumers/dead":        answerLines(c.dead),
		"POST /consumers/dead/clear": answerLines(c.clear),
		"POST /consumers/{change}":   answerLines(c.change),
	}
}

// answerLines answers with a line of JSON for each of what do returns, and one for its error.
func answerLines(do func(ctx context.Context, r *http.Request) ([]any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), consumersTimeout)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(consumersTimeout + lineTimeout))
		lines, err := do(ctx, r)
		if err != nil && len(lines) == 0 {
			writeJSON(w, statusOf(err), map[string]string{"error": terminal.Plainly(err)})
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		encoder := terminal.JSONEncoder(w)
		for _, line := range lines {
			_ = encoder.Encode(line)
		}
		if err != nil {
			_ = encoder.Encode(map[string]string{"error": terminal.Plainly(err)})
		}
	}
}

// badRequest is an error of who asks.
type badRequest struct{ error }

// statusOf returns the HTTP status of an error about consumers.
func statusOf(err error) int {
	switch {
	case errors.As(err, new(badRequest)), errors.Is(err, consumers.ErrOwn):
		return http.StatusBadRequest
	case errors.Is(err, consumers.ErrNotFound), errors.Is(err, consumers.ErrNoList):
		return http.StatusNotFound
	}
	return http.StatusBadGateway
}

func linesOf[of any](all []of) []any {
	lines := make([]any, 0, len(all))
	for _, one := range all {
		lines = append(lines, one)
	}
	return lines
}

// list lists the consumers of a name and a stream; empty: all.
func (c *consumerRoutes) list(ctx context.Context, r *http.Request) ([]any, error) {
	query := r.URL.Query()
	all, err := c.view.List(ctx)
	all = slices.DeleteFunc(all, func(one consumers.Consumer) bool {
		return query.Get("stream") != "" && one.Stream != query.Get("stream") || query.Get("name") != "" && one.Name != query.Get("name")
	})
	if err == nil && len(all) == 0 && query.Get("name") != "" {
		err = c.notFound(query)
	}
	return linesOf(all), err
}

// dead lists what consumers gave up on.
func (c *consumerRoutes) dead(ctx context.Context, r *http.Request) ([]any, error) {
	query := r.URL.Query()
	all, err := c.view.Dead.List(ctx, query.Get("stream"), query.Get("name"))
	return linesOf(all), err
}

// clear removes what a consumer gave up on up to a time from the list. The consumer itself may be gone.
func (c *consumerRoutes) clear(ctx context.Context, r *http.Request) ([]any, error) {
	query := r.URL.Query()
	upto, err := time.Parse(time.RFC3339Nano, query.Get("upto"))
	if err != nil || query.Get("name") == "" {
		return nil, badRequest{errors.New("name a consumer, and up to when its list is cleared")}
	}
	stream, name := query.Get("stream"), query.Get("name")
	if isDryRun(r) {
		all, waiting, err := c.listedUpTo(ctx, stream, name, upto)
		return []any{Cleared{name, all, waiting}}, err
	}
	n, err := c.clearUpTo(ctx, stream, name, upto)
	if err != nil {
		return nil, err
	}
	return []any{Cleared{Consumer: name, Cleared: n}}, nil
}

// clearUpTo removes what a consumer gave up on up to a time from the list, and returns how many messages those were.
func (c *consumerRoutes) clearUpTo(ctx context.Context, stream, name string, upto time.Time) (int, error) {
	given, err := c.givenUpTo(ctx, stream, name, upto)
	if err != nil {
		return 0, err
	}
	if err := c.view.Dead.Clear(ctx, given); err != nil {
		return 0, err
	}
	c.log.Info("the list of what a consumer gave up on is cleared by hand", "consumer", name, "messages", len(given))
	return len(given), nil
}

// listedUpTo returns how many messages a consumer gave up on up to a time, and how many of these no replay has brought again.
func (c *consumerRoutes) listedUpTo(ctx context.Context, stream, name string, upto time.Time) (all, waiting int, err error) {
	given, err := c.givenUpTo(ctx, stream, name, upto)
	for _, one := range given {
		if one.ReplayedAt == nil {
			waiting++
		}
	}
	return len(given), waiting, err
}

// givenUpTo returns what a consumer gave up on up to a time.
func (c *consumerRoutes) givenUpTo(ctx context.Context, stream, name string, upto time.Time) ([]consumers.Listed, error) {
	given, err := c.view.Dead.Of(ctx, stream, name)
	return slices.DeleteFunc(given, func(one consumers.Listed) bool { return one.At.After(upto) }), err
}

// change pauses, resumes or resets a consumer, and returns it as it is then.
func (c *consumerRoutes) change(ctx context.Context, r *http.Request) ([]any, error) {
	query, word := r.URL.Query(), r.PathValue("change")
	change, err := changeOf(word, query)
	if err != nil {
		return nil, badRequest{err}
	}
	one, err := c.find(ctx, query)
	if err != nil {
		return nil, err
	}
	conn, err := c.view.Reach()
	if err != nil {
		return nil, err
	}
	after, err := change(ctx, conn, one.Stream, one.Name)
	if err != nil {
		return nil, err
	}
	after.Dead = one.Dead
	c.log.Info("a consumer is changed by hand", "change", word, "stream", one.Stream, "consumer", one.Name)
	return []any{after}, nil
}

// changeOf returns what changes a consumer as a query says.
func changeOf(word string, query url.Values) (func(ctx context.Context, conn *publish.Conn, stream, name string) (consumers.Consumer, error), error) {
	switch word {
	case "pause":
		until, err := time.Parse(time.RFC3339Nano, query.Get("until"))
		if err != nil || !until.After(time.Now()) {
			return nil, errors.New("a pause needs an end that is not past")
		}
		return func(ctx context.Context, conn *publish.Conn, stream, name string) (consumers.Consumer, error) {
			return consumers.Pause(ctx, conn, stream, name, until)
		}, nil
	case "resume":
		return consumers.Resume, nil
	case "reset":
		to, err := targetIn(query.Get("to"))
		return func(ctx context.Context, conn *publish.Conn, stream, name string) (consumers.Consumer, error) {
			return consumers.Reset(ctx, conn, stream, name, to)
		}, err
	}
	return nil, fmt.Errorf("consumers have no %q", word)
}

// targetIn reads where a consumer is reset to: first, a sequence or a time.
func targetIn(text string) (to consumers.Target, err error) {
	if text == "first" {
		return consumers.Target{First: true}, nil
	}
	if to.Sequence, err = strconv.ParseUint(text, 10, 64); err == nil && to.Sequence > 0 {
		return to, nil
	}
	if to.Time, err = time.Parse(time.RFC3339Nano, text); err == nil {
		return consumers.Target{Time: to.Time}, nil
	}
	return to, errors.New("a consumer is reset to first, a sequence or a time")
}

// find returns the one consumer that a query names.
func (c *consumerRoutes) find(ctx context.Context, query url.Values) (consumers.Consumer, error) {
	found, err := c.view.Find(ctx, query.Get("stream"), query.Get("name"))
	switch {
	case err != nil:
		return consumers.Consumer{}, err
	case len(found) == 0:
		return consumers.Consumer{}, c.notFound(query)
	case len(found) > 1:
		var streams []string
		for _, one := range found {
			streams = append(streams, one.Stream)
		}
		return consumers.Consumer{}, badRequest{fmt.Errorf("%s is a consumer of %s: name one with --stream", query.Get("name"), Enumerate(streams, "and"))}
	}
	return found[0], nil
}

// notFound says that no stream has the consumer that a query names.
func (c *consumerRoutes) notFound(query url.Values) error {
	where := cmp.Or(query.Get("stream"), Enumerate(c.view.Streams, "and"))
	return fmt.Errorf("%q on %s: %w", query.Get("name"), where, consumers.ErrNotFound)
}
