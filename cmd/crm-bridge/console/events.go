package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/search"
)

// EventPages are the pages of events: a search with a live tail, and one event. Set the fields once.
type EventPages struct {
	Stream    string // of events
	Search    func(ctx context.Context, q search.Query) (search.Page, error)
	Tail      func(ctx context.Context, t search.Tail) error
	Get       func(ctx context.Context, sequence uint64) (publish.Stored, error) // publish.ErrNoMessage: it is gone
	Consumers func(ctx context.Context) ([]consumers.Consumer, error)            // of the stream
}

// viewTimeout bounds how long what a page shows may take to be read.
const viewTimeout = 10 * time.Second

// eventFilter is what the form of the page asks for, as it was written.
type eventFilter struct {
	Subject, Record, Event, Account, Origin, Since, Until string

	Oldest bool
}

func filterOf(form url.Values) eventFilter {
	return eventFilter{
		Subject: form.Get("subject"), Record: form.Get("record"), Event: form.Get("event"), Account: form.Get("account"), Origin: form.Get("origin"),
		Since: form.Get("since"), Until: form.Get("until"), Oldest: form.Get("order") == "oldest",
	}
}

// Values returns the filter as the query of a URL.
func (f eventFilter) Values() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{
		"subject": f.Subject, "record": f.Record, "event": f.Event, "account": f.Account, "origin": f.Origin, "since": f.Since, "until": f.Until,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if f.Oldest {
		query.Set("order", "oldest")
	}
	return query
}

func (f eventFilter) selection() replay.Selection {
	return replay.Selection{Event: f.Event, Record: f.Record, Account: f.Account, Origin: f.Origin}
}

// check returns what is wrong with the filter.
func (f eventFilter) check() error {
	if f.Subject != "" && !publish.IsFilter(f.Subject) {
		return errors.New("the subject must be tokens joined by dots, such as crm.*.Deals.* or crm.>")
	}
	if f.Origin != "" && !config.OneOf(f.Origin, origins...) {
		return errors.New("the origin must be live, backfill or repair")
	}
	return nil
}

// origins are where changes come from, as events name them.
var origins = []string{string(ingest.Live), string(ingest.Backfill), string(ingest.Repair)}

func (f eventFilter) subjects() []string {
	if f.Subject == "" {
		return nil
	}
	return []string{f.Subject}
}

// query returns the filter as a search, or what is wrong with it.
func (f eventFilter) query(now time.Time) (q search.Query, err error) {
	if err := f.check(); err != nil {
		return q, err
	}
	q = search.Query{Subjects: f.subjects(), Selection: f.selection(), Oldest: f.Oldest}
	if q.Since, err = moment(f.Since, now); err != nil {
		return q, err
	}
	if q.Until, err = moment(f.Until, now); err != nil {
		return q, err
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return q, errors.New("the first time must be before the second")
	}
	return q, nil
}

// moment reads a time that may be left out.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return config.ParseWhen(text, now.UTC())
}

// eventsView is what the template events shows.
type eventsView struct {
	Stream  string
	Filter  eventFilter
	Origins []string
	Problem string // why nothing was found
	Rows    []eventRow
	Scanned int
	At      uint64 // the sequence up to which the stream was searched
	More    string // URL of the next page; empty: the search is at its end
	Live    string // URL of the live tail
	Replay  string // URL of the form that replays what was searched for; empty: that is one event, whose page has its own
}

// search shows what the form of the page finds.
func (e EventPages) search(r *http.Request) (any, error) {
	form := r.URL.Query()
	filter := filterOf(form)
	view := eventsView{Stream: e.Stream, Filter: filter, Origins: origins}
	values := filter.Values()
	if view.Live = "/console/events/live?" + values.Encode(); filter.Event == "" {
		view.Replay = "/console/replay-new?" + values.Encode()
	}
	query, err := filter.query(time.Now())
	if err != nil {
		view.Problem = sentence(err)
		return view, nil
	}
	query.Next, _ = strconv.ParseUint(form.Get("next"), 10, 64)
	ctx, cancel := context.WithTimeout(r.Context(), viewTimeout)
	defer cancel()
	page, err := e.Search(ctx, query)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("the search took longer than 10 s: narrow it by a subject or a time")
	}
	if err != nil {
		view.Problem = sentence(err)
		return view, nil
	}
	for _, stored := range page.Events {
		view.Rows = append(view.Rows, rowOf(stored))
	}
	if view.Scanned, view.At = page.Scanned, page.At; page.Next > 0 {
		values.Set("next", strconv.FormatUint(page.Next, 10))
		view.More = "/console/events?" + values.Encode()
	}
	return view, nil
}

// live sends events as they arrive.
func (e EventPages) live(r *http.Request, send func(template string, data any) error) error {
	filter := filterOf(r.URL.Query())
	if err := filter.check(); err != nil {
		return err
	}
	return e.Tail(r.Context(), search.Tail{
		Subjects: filter.subjects(), Selection: filter.selection(),
		Lost: func(why error) { _ = send("event-remark", "Reading stopped: "+sentence(why)) },
		Back: func(remark string) { _ = send("event-remark", "Reading goes on. "+capital(remark)) },
		Each: func(m publish.Stored) error { return send("event-row", rowOf(m)) },
	})
}
