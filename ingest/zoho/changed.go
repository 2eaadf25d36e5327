package zoho

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

const (
	perPage    = 200   // the most that Zoho returns at once
	discrete   = 10    // pages that can be requested by number; later ones need a token
	maxFields  = 50    // that a request may name
	maxWindows = 1_000 // pages of records of one second
	maxSeen    = 20_000
)

// cursor is the position in the lists, written as JSON. Records are listed by their modification time. Each page starts at the
// second of the last record of the page before it, so that no record is skipped when another one is changed and so moves to the end
// of the list. Within one second, which may hold more records than a page, pages are requested by number and then by token.
type cursor struct {
	Deleted bool      `json:"deleted,omitempty"` // in the list of deleted records, which comes second
	Since   time.Time `json:"since"`
	Page    int       `json:"page,omitempty"`  // 0: the first
	Token   string    `json:"token,omitempty"` // of the page, past the first 2,000 records
}

// changed lists what changed, as ingest.Lister. Zoho's times have whole seconds, so a span is widened to whole ones. A record may be
// listed twice, with the same Mark.
func (c *Client) changed(ctx context.Context, account string, q ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(yield func(ingest.Page, error) bool) {
		list := &lister{Client: c, account: account, query: q}
		if err := list.open(ctx); err != nil {
			yield(ingest.Page{}, err)
			return
		}
		for {
			page, more, err := list.next(ctx)
			if err != nil {
				yield(ingest.Page{}, err)
				return
			}
			if !yield(page, nil) || !more {
				return
			}
		}
	}
}

// lister reads the lists of one query.
type lister struct {
	*Client
	account string
	query   ingest.Query
	place   cursor
	fields  string               // of the list; empty: all
	seen    map[string]time.Time // modification times of records that the next page may show again, by id and time
	begun   time.Time            // the second for which an expired token was replaced, once
	windows int                  // pages since Since moved
}

func (l *lister) open(ctx context.Context) error {
	if err := ingest.CheckModule(l.query.Module); err != nil {
		return err
	}
	l.query = l.query.WholeSeconds()
	if l.place.Since = l.query.Since; l.query.Until.Before(l.query.Since) {
		return errors.New("zoho: the span to list ends before it begins")
	}
	if l.query.Cursor != "" {
		if err := json.Unmarshal([]byte(l.query.Cursor), &l.place); err != nil {
			return errors.New("zoho: the cursor does not belong to this list; start without it")
		}
	}
	if l.place.Deleted || !l.Version.since("v3") { // the fields are mandatory from v3 on
		return nil
	}
	names, err := l.fieldsOf(ctx, l.query.Module)
	if errors.Is(err, errNoFields) {
		if l.Log != nil {
			l.Log.WarnContext(ctx, "zoho: records are read without their values; grant ZohoCRM.settings.fields.READ", "module", l.query.Module, "reason", err)
		}
		names, err = []string{"Created_Time", "Modified_Time"}, nil
	}
	l.fields = strings.Join(names[:min(len(names), maxFields)], ",")
	return err
}

// next reads a page. more is false for the last.
func (l *lister) next(ctx context.Context) (page ingest.Page, more bool, err error) {
	if err := l.pace(ctx); err != nil {
		return page, false, err
	}
	ask := l.call()
	got, err := l.inTurn(ctx, rest.Past, ask)
	if err != nil {
		return page, false, err
	}
	if got.Status == http.StatusBadRequest && l.place.Token != "" && !l.begun.Equal(l.place.Since) {
		l.begun = l.place.Since // the token has expired after a day: this second is read again
		l.place.Page, l.place.Token = 0, ""
		return l.next(ctx)
	}
	rows, info, err := readRecords(got)
	if err != nil {
		return page, false, ask.wrap(err)
	}
	read := time.Now().UTC()
	if l.seen == nil || len(l.seen) > maxSeen {
		l.seen = make(map[string]time.Time, len(rows)) // some may be listed twice then
	}
	var last time.Time
	collection := l.APIURL + "/crm/" + string(l.Version) + "/" + l.query.Module
	for _, raw := range rows {
		r, err := readRecord(raw, l.place.Deleted)
		if err != nil {
			return page, false, ask.wrap(err)
		}
		if r.at.After(last) {
			last = r.at
		}
		key := r.id + " " + r.at.Format(time.RFC3339)
		_, seen := l.seen[key]
		l.seen[key] = r.at
		if change, ok := r.change(l.query, l.account, collection, read); ok && !seen {
			page.Changes = append(page.Changes, change)
		}
	}
	if more, err = l.move(info, last); err != nil {
		return page, false, ask.wrap(err)
	}
	cursor, err := json.Marshal(l.place)
	page.Cursor = string(cursor)
	return page, more, err
}

// call returns the request for the page at the place. Whether If-Modified-Since includes its own second is not documented, so it
// names the second before.
func (l *lister) call() call {
	query := url.Values{"per_page": {strconv.Itoa(perPage)}}
	ask := call{method: http.MethodGet, path: url.PathEscape(l.query.Module), query: query, since: l.place.Since.Add(-time.Second)}
	if l.place.Deleted {
		ask.path += "/deleted"
		query.Set("type", "all")
	} else {
		query.Set("sort_by", "Modified_Time")
		query.Set("sort_order", "asc")
		if l.fields != "" {
			query.Set("fields", l.fields)
		}
	}
	if l.place.Token != "" {
		query.Set("page_token", l.place.Token)
	} else {
		query.Set("page", strconv.Itoa(max(l.place.Page, 1)))
	}
	return ask
}

// move advances to the next page, or from the records to the deleted ones; more is false at the end.
func (l *lister) move(info pageInfo, last time.Time) (more bool, err error) {
	switch {
	case !info.More && l.place.Deleted:
		return false, nil
	case !info.More:
		l.place = cursor{Deleted: true, Since: l.query.Since}
	case !l.place.Deleted && last.Add(-time.Second).After(l.place.Since): // the order of the deleted ones is not documented
		l.place = cursor{Since: last.Add(-time.Second)}
	default:
		l.place.Page, l.place.Token = max(l.place.Page, 1)+1, ""
		if l.place.Page > discrete {
			l.place.Token = info.Token // v2 gives none, and accepts further numbers
		}
		if l.windows++; l.windows > maxWindows {
			return false, fmt.Errorf("more than %d pages of one second", maxWindows)
		}
		return true, nil
	}
	l.windows = 0
	for key, at := range l.seen {
		if l.place.Deleted || at.Before(l.place.Since.Add(-time.Second)) {
			delete(l.seen, key)
		}
	}
	return true, nil
}

// errNoFields says that the API does not list the fields of a module.
var errNoFields = errors.New("its fields cannot be listed")

// fieldsOf returns the names of a module's fields, first those that changes are made of.
func (c *Client) fieldsOf(ctx context.Context, module string) ([]string, error) {
	got, err := c.do(ctx, call{method: http.MethodGet, path: "settings/fields", query: url.Values{"module": {module}}})
	var refused *apiError
	switch {
	case errors.As(err, &refused) && refused.Code == scopeMismatch:
		return nil, fmt.Errorf("%w: %w", errNoFields, err)
	case err != nil:
		return nil, err
	case got.Status != http.StatusOK:
		return nil, fmt.Errorf("%w: %w", errNoFields, got.err())
	}
	more, err := readFields(got)
	if err != nil {
		return nil, fmt.Errorf("zoho: the fields of %s: %w", module, err)
	}
	names := []string{"Created_Time", "Modified_Time"}
	for _, name := range []string{"Modified_By", "Created_By"} { // first, for a list has at most fifty
		if slices.Contains(more, name) {
			names = append(names, name)
		}
	}
	for _, name := range more {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// pace waits ten seconds where less than a tenth of the day's API credits is left.
func (c *Client) pace(ctx context.Context) error {
	if !c.budget.Scarce() {
		return ctx.Err()
	}
	return retry.Sleep(ctx, 10*time.Second)
}
