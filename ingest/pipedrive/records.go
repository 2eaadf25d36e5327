package pipedrive

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
)

// pageSize is the most that a list returns at once.
const pageSize = 500

// recordList is a list of the API that holds records of a module.
type recordList struct {
	path    string
	offset  bool // of version 1: paged by offset
	noUntil bool // the list has no updated_until
	deleted bool // of deleted records, which Pipedrive keeps for 30 days
	whole   bool // the list has no updated_since: it is read from the record that changed last
}

// recordLists are the lists of each module. No list has deletions but that of deals.
var recordLists = map[string][]recordList{
	"deal":         {{path: "api/v2/deals"}, {path: "api/v2/deals/archived"}, {path: "api/v2/deals", deleted: true}},
	"person":       {{path: "api/v2/persons"}},
	"organization": {{path: "api/v2/organizations"}},
	"activity":     {{path: "api/v2/activities"}},
	"product":      {{path: "api/v2/products", noUntil: true}},
	"lead":         {{path: "leads", offset: true}, {path: "leads/archived", offset: true, whole: true}},
}

var errNoList = fmt.Errorf("%w: Pipedrive lists changes only of %s", ingest.ErrNoList, strings.Join(listable, ", "))

// Records lists what changed, as ingest.Lister, and reads records, as ingest.Reader. Set the fields once.
type Records struct {
	Client *Client
	Name   string // of an account that is the company of the API token, whichever that is
}

// listPosition is a position in the lists of a module; the cursor of a page is its JSON.
type listPosition struct {
	List   int    `json:"list,omitempty"`
	Cursor string `json:"cursor,omitempty"` // of the API
	Start  int    `json:"start,omitempty"`  // of a list that is paged by offset
	First  string `json:"first,omitempty"`  // of such a list the first record of the page before
}

// Changed implements ingest.Lister. Records are listed by their ids, so that one that changes meanwhile is neither missed nor listed
// twice. Pipedrive's times have whole seconds. Deletions are listed of deals alone. The error is errNoList for other modules.
func (r *Records) Changed(ctx context.Context, query ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(yield func(ingest.Page, error) bool) {
		if err := r.list(ctx, query.WholeSeconds(), yield); err != nil {
			yield(ingest.Page{}, fmt.Errorf("list changes of %s: %w", query.Module, err))
		}
	}
}

func (r *Records) list(ctx context.Context, query ingest.Query, yield func(ingest.Page, error) bool) error {
	lists, ok := recordLists[query.Module]
	if !ok {
		return errNoList
	}
	var at listPosition
	if query.Cursor != "" && (json.Unmarshal([]byte(query.Cursor), &at) != nil || at.List < 0) {
		return fmt.Errorf("%w: it does not belong to this list", ingest.ErrCursor)
	}
	company, err := r.company(ctx, query.Account)
	if err != nil {
		return err
	}
	query.Account = company
	for at.List < len(lists) {
		page, next, err := r.page(ctx, query, lists[at.List], at)
		if refusedWith(err, http.StatusBadRequest) && at.Cursor != "" {
			return fmt.Errorf("%w: %w", ingest.ErrCursor, err)
		}
		if err != nil {
			return err
		}
		cursor, err := json.Marshal(next)
		if page.Cursor = string(cursor); err != nil {
			return err
		}
		if !yield(page, nil) {
			return nil
		}
		at = next
	}
	return nil
}

// company returns the company that the API token is of, which must be the one that is asked for.
func (r *Records) company(ctx context.Context, asked string) (string, error) {
	var list []listedWebhook
	if r.Client.knownCompany() == "" {
		var err error
		if list, err = r.Client.listWebhooks(ctx); err != nil {
			return "", err
		}
	}
	company, err := r.Client.ownCompany(ctx, list)
	if err == nil && asked != "" && asked != r.Name && asked != company {
		err = fmt.Errorf("BRIDGE_PIPEDRIVE_API_TOKEN is of company %s, not %s", company, asked)
	}
	return company, err
}

// page reads a page of a list, and returns where the next one is.
func (r *Records) page(ctx context.Context, query ingest.Query, list recordList, at listPosition) (page ingest.Page, next listPosition, err error) {
	answer, err := r.Client.inTurn(ctx, rest.Past, r.pathOf(list), list.params(query, at))
	if list.whole && refusedWith(err, http.StatusNotFound) {
		return page, listPosition{List: at.List + 1}, nil // an account without that list
	}
	if err != nil {
		return page, next, err
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(answer.Data, &rows); err != nil {
		return page, next, errors.New("pipedrive: the list of records is not of the documented shape")
	}
	first, updated := "", []time.Time(nil)
	for i, raw := range rows {
		row, err := readRow(raw)
		if err != nil {
			return page, next, err
		}
		if i == 0 {
			first = row.id
		}
		updated = append(updated, row.updated)
		if change, ok := row.change(query, list.deleted); ok {
			page.Changes = append(page.Changes, change)
		}
	}
	next = listPosition{List: at.List + 1}
	switch {
	case list.offset && first != "" && first == at.First:
		return page, next, errors.New("pipedrive: the list of records does not go on: two pages begin with the same record")
	case list.offset && answer.goesOn(len(rows)) && (!list.whole || !passed(updated, query.Since)):
		next = listPosition{List: at.List, Start: at.Start + len(rows), First: first}
	case !list.offset && answer.More.Cursor != "" && answer.More.Cursor == at.Cursor:
		return page, next, errors.New("pipedrive: the list of records does not go on: two pages have the same cursor; run the same command again to resume")
	case !list.offset && answer.More.Cursor != "":
		next = listPosition{List: at.List, Cursor: answer.More.Cursor}
	}
	return page, next, nil
}

func (r *Records) pathOf(list recordList) string {
	if list.offset {
		return r.Client.version1(list.path)
	}
	return list.path
}

// params returns the parameters of the page at a position. A repair reads to the present: it lists records that changed in the span and
// again after it.
func (l recordList) params(query ingest.Query, at listPosition) url.Values {
	params := url.Values{"limit": {strconv.Itoa(pageSize)}}
	if !l.whole {
		params.Set("updated_since", query.Since.Format(time.RFC3339))
	}
	switch {
	case l.whole:
		params.Set("sort", "update_time DESC")
	case l.offset:
		params.Set("sort", "add_time ASC") // which no change moves
	default:
		params.Set("sort_by", "id")
		params.Set("sort_direction", "asc")
		if !l.noUntil && query.Origin != ingest.Repair && !query.Until.IsZero() {
			params.Set("updated_until", query.Until.Format(time.RFC3339))
		}
	}
	if l.deleted {
		params.Set("status", "deleted")
	}
	if l.offset {
		params.Set("start", strconv.Itoa(at.Start))
	} else if at.Cursor != "" {
		params.Set("cursor", at.Cursor)
	}
	return params
}

// goesOn reports whether a list that is paged by offset has more than these rows.
func (a apiAnswer) goesOn(rows int) bool {
	for _, more := range []*bool{a.More.Pagination.More, a.More.More} {
		if more != nil {
			return *more && rows > 0
		}
	}
	return rows >= pageSize
}

// passed reports whether a list that shows first what changed last has come to what changed before a time.
func passed(updated []time.Time, since time.Time) bool {
	inOrder := slices.IsSortedFunc(updated, func(a, b time.Time) int { return b.Compare(a) })
	return inOrder && len(updated) > 0 && updated[len(updated)-1].Before(since)
}
