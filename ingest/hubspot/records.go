package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// settle is how long the search takes to find a change (CRM search).
const settle = 30 * time.Second

// errNoList says that the API cannot list what changed in a module.
var errNoList = fmt.Errorf("%w: HubSpot's API lists contact, company, deal and its other CRM objects, and custom objects by their objectTypeId, "+
	"such as 2-3508482", ingest.ErrNoList)

// searchesPerSecond is less than what HubSpot allows an account (CRM search).
const searchesPerSecond = 4

// Changed implements ingest.Lister. The error is errNoList for a module that the API does not list.
func (r *records) Changed(ctx context.Context, q ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(yield func(ingest.Page, error) bool) {
		if err := r.list(ctx, q, yield); err != nil {
			yield(ingest.Page{}, fmt.Errorf("list changes of %s: %w", q.Module, err))
		}
	}
}

func (r *records) list(ctx context.Context, q ingest.Query, yield func(ingest.Page, error) bool) error {
	if !listable(q.Module) {
		return errNoList
	}
	if q.Until.IsZero() {
		q.Until = time.Now().Add(-settle)
	}
	portals := r.tokens.names()
	if q.Account != "" {
		portals = []string{q.Account}
	}
	at := place{Portal: portals[0]}
	if q.Cursor != "" && (json.Unmarshal([]byte(q.Cursor), &at) != nil || !slices.Contains(portals, at.Portal)) {
		return fmt.Errorf("%w: it does not belong to this list", ingest.ErrCursor)
	}
	for _, portal := range portals[slices.Index(portals, at.Portal):] {
		if portal != at.Portal || q.Cursor == "" {
			at = place{Portal: portal, Since: q.Since.UnixMilli(), Until: ceil(q.Until)}
			if now := ceil(time.Now()); q.Origin == ingest.Repair && now > at.Until {
				at.Until = now // what changed again since hides what changed in the span
			}
		}
		q.Cursor = ""
		l, err := r.open(ctx, q, at)
		if err != nil {
			return err
		}
		for more := true; more; {
			var page ingest.Page
			if page, more, err = l.next(ctx); err != nil {
				return err
			}
			if !yield(page, nil) {
				return nil
			}
		}
	}
	return nil
}

// ceil returns the first millisecond that is not before a time.
func ceil(at time.Time) int64 { return at.Add(time.Millisecond - 1).UnixMilli() }

// open begins a listing, or resumes it at a place.
func (r *records) open(ctx context.Context, q ingest.Query, at place) (*listing, error) {
	of, _ := objectOf(q.Module)
	l := &listing{records: r, query: q, of: of, seen: map[string]bool{}, place: at}
	var err error
	if l.portal, err = r.tokens.portal(ctx, at.Portal); err != nil {
		return nil, err
	}
	l.properties, err = r.propertiesOf(ctx, r.tokens.bearer(at.Portal), of)
	return l, err
}

// next reads a page; more is false for the last.
func (l *listing) next(ctx context.Context) (page ingest.Page, more bool, err error) {
	var rows []rawJSON
	archived := l.place.Archived
	if archived {
		rows, more, err = l.archived(ctx)
	} else {
		more = true // the archived ones follow
		rows, err = l.modified(ctx)
	}
	if err != nil {
		return page, false, err
	}
	for _, raw := range rows {
		one, err := readRecord(l.of, raw)
		if err != nil {
			return page, false, err
		}
		if change, ok := one.change(l.query, l.of, l.portal); ok && one.archived.IsZero() != archived {
			page.Changes = append(page.Changes, change)
		}
	}
	if !archived {
		page.Total = l.total
	}
	cursor, err := json.Marshal(l.place)
	page.Cursor = string(cursor)
	return page, more, err
}

// modified searches the next records, moves behind them, and returns those that are not known yet with all their values.
func (l *listing) modified(ctx context.Context) ([]rawJSON, error) {
	found, total, err := l.search(ctx)
	if err != nil {
		return nil, err
	}
	if l.total == 0 && l.place.Crowd == "" {
		l.total = total
	}
	last := l.place.Since
	var fresh []record
	for _, raw := range found {
		one, err := readRecord(l.of, raw)
		if err != nil {
			return nil, err
		}
		last = max(last, one.modified.UnixMilli())
		if key := fmt.Sprint(one.id, " ", one.modified.UnixMilli()); !l.seen[key] {
			fresh = append(fresh, one)
			l.seen[key] = true
		}
	}
	switch full := len(found) == searchLimit; {
	case !full && l.place.Crowd != "":
		l.place.Since, l.place.Crowd = l.place.Since+1, ""
	case !full:
		l.place = place{Portal: l.place.Portal, Archived: true}
	case l.place.Crowd != "":
		id, err := readRecord(l.of, found[len(found)-1])
		if err != nil || !behind(id.id, l.place.Crowd) {
			return nil, errors.Join(errors.New("HubSpot does not list records in the order of their ids"), err)
		}
		l.place.Crowd = id.id
	case last == l.place.Since:
		l.place.Crowd = "0"
	default:
		l.place.Since = last
	}
	for key := range l.seen {
		if !strings.HasSuffix(key, fmt.Sprint(" ", l.place.Since)) {
			delete(l.seen, key)
		}
	}
	return l.values(ctx, fresh)
}

// behind compares numbers of any length.
func behind(id, other string) bool {
	return len(id) > len(other) || len(id) == len(other) && id > other
}
