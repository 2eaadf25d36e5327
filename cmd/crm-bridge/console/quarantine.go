package console

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// QuarantinePages show callbacks in quarantine and events that the remote NATS rejected, and redrive or drop them. Set the fields once.
type QuarantinePages struct {
	Report  func(context.Context) status.Report
	Sources []string // labels of all sources
	Stream  string   // of the events that the page Events shows
	List    func(ctx context.Context, selected quarantine.Selection, most int) (quarantine.Page[quarantine.Listed], error)
	Get     func(ctx context.Context, id string) (quarantine.Kept, error) // ErrNotFound: it does not wait
	Redrive func(ctx context.Context, selected quarantine.Selection, most int, dryRun bool) (quarantine.Page[quarantine.Redriven], error)
	Drop    func(ctx context.Context, selected quarantine.Selection, most int) (quarantine.Page[quarantine.Dropped], error)
}

// The bounds of the page: how often it is refreshed, how long a list may take, and how many are settled at once.
const (
	quarantineEvery = 15 * time.Second
	listTimeout     = 5 * time.Second
	settledAtOnce   = 100
)

// quarantineFilters are the parameters that narrow the list.
var quarantineFilters = []string{"source", "account"}

// quarantineView is what the template quarantine shows.
type quarantineView struct {
	By                  url.Values
	Sources             []string
	All                 []quarantine.Listed
	After               uint64
	Next                string // path of the next page
	Quarantine, Refused *status.Stream
}

func (p QuarantinePages) list(ctx context.Context, query url.Values) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	selected := selectionOf(query)
	page, err := p.List(ctx, selected, rowsAtOnce)
	if err != nil {
		return nil, err
	}
	now := p.Report(ctx)
	view := quarantineView{
		By: narrow(query, quarantineFilters...), Sources: p.Sources, All: page.Lines, After: selected.After, Quarantine: now.Quarantine, Refused: now.Refused,
	}
	if page.Next != 0 {
		next := narrow(query, quarantineFilters...)
		next.Set("after", strconv.FormatUint(page.Next, 10))
		view.Next = listPath("quarantine", next)
	}
	return view, nil
}

// selectionOf returns what a form or a query names: one by its id, or those of a source and an account.
func selectionOf(form url.Values) quarantine.Selection {
	after, _ := strconv.ParseUint(form.Get("after"), 10, 64)
	upto, _ := strconv.ParseUint(form.Get("upto"), 10, 64)
	return quarantine.Selection{ID: form.Get("id"), Source: form.Get("source"), Account: form.Get("account"), After: after, Upto: upto}
}

// IsRefused reports whether the list is that of rejected events.
func (v quarantineView) IsRefused() bool { return v.By.Get("source") == quarantine.Refused }

// Fields are those of a form that settles one of the list, or all of it if the id is empty.
func (v quarantineView) Fields(id string) map[string]string {
	fields := map[string]string{}
	for name := range v.By {
		fields[name] = v.By.Get(name)
	}
	if id != "" {
		fields["id"] = id
	}
	return fields
}

// Stream is the stream that holds what is listed; nil: it is not known.
func (v quarantineView) Stream() *status.Stream {
	if v.IsRefused() {
		return v.Refused
	}
	return v.Quarantine
}
