package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// ConsumerPages are the pages of consumers: all of them, and one with what it gave up on. Set the fields once.
type ConsumerPages struct {
	Stream string // of events, which have pages

	List func(ctx context.Context) ([]consumers.Consumer, error) // those that could be listed, also beside an error
	// Dead returns what a consumer gave up on last, at most so many messages, newest first, and whether it gave up on others before.
	Dead func(ctx context.Context, stream, name string, most int) (newest []consumers.DeadLetter, more bool, err error)

	Pause   func(ctx context.Context, stream, name string, until time.Time) error
	Resume  func(ctx context.Context, stream, name string) error
	Foresee func(ctx context.Context, stream, name string, to consumers.Target) (consumers.Effect, error)
	Reset   func(ctx context.Context, stream, name string, to consumers.Target) error
	// Clear removes what a consumer gave up on up to a time from the list, and returns how many messages those were.
	Clear func(ctx context.Context, stream, name string, upto time.Time) (int, error)
	// Clearable returns how many Clear would remove, and how many of these no replay has brought again.
	Clearable func(ctx context.Context, stream, name string, upto time.Time) (all, waiting int, err error)
}

// consumerEvery is how often the page of a consumer is refreshed, which reads what it gave up on.
const consumerEvery = 15 * time.Second

// pauses are the spans for which a consumer can be paused.
var pauses = []string{"15m", "1h", "8h", "24h", "7d"}

// maxConsumers bounds the rows of the list.
const maxConsumers = 100

// consumersView is what the template consumers shows.
type consumersView struct {
	Consumers []consumers.Consumer
	More      int    // that are not listed
	Problem   string // why they cannot be listed, or not all of them
}

// list shows the consumers that lag most first; the bridge's own are last.
func (p ConsumerPages) list(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), viewTimeout)
	defer cancel()
	all, err := p.List(ctx)
	var view consumersView
	if err != nil {
		view.Problem = sentence(err)
	}
	all = slices.DeleteFunc(all, passing)
	slices.SortStableFunc(all, func(a, b consumers.Consumer) int { return urgency(a) - urgency(b) })
	view.Consumers, view.More = all[:min(len(all), maxConsumers)], max(0, len(all)-maxConsumers)
	return view, nil
}

// passing reports whether the bridge has made a consumer for a moment, such as for a search.
func passing(one consumers.Consumer) bool { return one.Own && !one.Durable }

// urgency sorts consumers by what needs a person.
func urgency(one consumers.Consumer) int {
	switch {
	case one.Own:
		return 3
	case one.Dead > 0:
		return 0
	case one.Lag > 0 || one.AckPending > 0:
		return 1
	}
	return 2
}

// consumerView is what the template consumer shows.
type consumerView struct {
	consumers.Consumer
	Letters []consumers.DeadLetter // newest first
	More    bool                   // older ones are not listed
	Unknown string                 // why they cannot be listed
	Upto    string                 // when it gave up on the newest of them: what it gives up on later is not cleared
	Spans   []string               // of a pause
	Events  bool                   // it reads events, which have pages
}

// maxLetters bounds the dead messages on a page.
const maxLetters = 100

// one shows a consumer.
func (p ConsumerPages) one(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), viewTimeout)
	defer cancel()
	one, err := p.find(ctx, r.URL.Query())
	if err != nil {
		return nil, err
	}
	view := consumerView{Consumer: one, Spans: pauses, Events: one.Stream == p.Stream}
	if view.Letters, view.More, err = p.Dead(ctx, one.Stream, one.Name, maxLetters); err != nil {
		view.Unknown = sentence(err)
	}
	if len(view.Letters) > 0 {
		view.Upto = view.Letters[0].At.Format(time.RFC3339Nano)
	}
	return view, nil
}

// find returns the consumer that a query or a form names.
func (p ConsumerPages) find(ctx context.Context, form url.Values) (consumers.Consumer, error) {
	all, err := p.List(ctx)
	for _, one := range all {
		if one.Stream == form.Get("stream") && one.Name == form.Get("name") {
			return one, nil
		}
	}
	if err == nil {
		err = ErrNotFound
	}
	return consumers.Consumer{}, err
}

// consumerPath returns where the page of a consumer is.
func consumerPath(stream, name string) string {
	return "/console/consumer?" + url.Values{"stream": {stream}, "name": {name}}.Encode()
}
