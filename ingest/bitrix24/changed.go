package bitrix24

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// errNoList says that the API cannot list what changed in a module.
var errNoList = fmt.Errorf("%w: Bitrix24's API lists changes only of Lead, Deal, Contact, Company, Quote, SmartInvoice, Activity, "+
	"DynamicItem and DynamicItem_1032 (a smart process by its entityTypeId)", ingest.ErrNoList)

// Records lists what changed in the portals, as ingest.Lister, and reads records, as ingest.Reader. Set the fields once.
//
// Each record is listed once, as it is now, at the time of its last modification, in the order of ids. Deleted records cannot be
// listed, nor can earlier modifications.
type Records struct {
	Client  *Client
	Portals []string // member_ids
}

// pageSize is the most that a list method returns; a shorter page is the last (settings/performance/huge-data.md).
const pageSize = 50

// Changed implements ingest.Lister. The cursor is <member_id>/<entityTypeId>/<last id>: since records are listed by id, one that is
// modified meanwhile is neither missed nor listed twice, and a cursor never expires. Times are compared to the second, as precisely
// as the API gives them. The error is errNoList for a module that cannot be listed.
func (r *Records) Changed(ctx context.Context, query ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(yield func(ingest.Page, error) bool) {
		err := r.list(ctx, query.WholeSeconds(), yield)
		if err != nil {
			yield(ingest.Page{}, fmt.Errorf("list changes of %s: %w", query.Module, err))
		}
	}
}

func (r *Records) list(ctx context.Context, query ingest.Query, yield func(ingest.Page, error) bool) error {
	shelves, err := r.shelves(ctx, query.Account, query.Module)
	if err != nil {
		return err
	}
	last := 0
	if query.Cursor != "" {
		at := strings.LastIndexByte(query.Cursor, '/')
		index := slices.IndexFunc(shelves, func(s shelf) bool { return s.String() == query.Cursor[:max(at, 0)] })
		if last, err = strconv.Atoi(query.Cursor[at+1:]); err != nil || index < 0 {
			return fmt.Errorf("%w: it does not belong to this list", ingest.ErrCursor)
		}
		shelves = shelves[index:]
	}
	for _, s := range shelves {
		have, err := r.Client.portal(s.member).token.Get(ctx)
		if err != nil {
			return fmt.Errorf("portal %s: %w", s.member, err)
		}
		for more := true; more; {
			rows, err := r.page(ctx, s, query, last)
			if err != nil {
				return explain(err)
			}
			page, next, err := s.changes(have, query, rows)
			if err != nil {
				return err
			}
			if len(rows) > 0 && next <= last {
				return fmt.Errorf("portal %s does not list records in the order of their ids", s.member)
			}
			last, more = max(last, next), len(rows) >= pageSize
			page.Cursor = s.String() + "/" + strconv.Itoa(last)
			if len(rows) > 0 && !yield(page, nil) {
				return nil
			}
		}
		last = 0
	}
	return nil
}

// shelves returns the lists that hold the records of a module.
func (r *Records) shelves(ctx context.Context, account, module string) ([]shelf, error) {
	if len(r.Portals) == 0 {
		return nil, errors.New("no portal is configured: set BRIDGE_BITRIX24_PORTALS")
	}
	lower := strings.ToLower(module)
	all := strings.EqualFold(module, dynamicItem)
	entityType, ok := entityTypes[lower]
	if !ok && !all {
		number := strings.TrimPrefix(strings.TrimPrefix(lower, strings.ToLower(dynamicItem)), "dynamic")
		var err error
		if entityType, err = strconv.Atoi(strings.TrimPrefix(number, "_")); err != nil || entityType <= 0 {
			return nil, errNoList
		}
	}
	var shelves []shelf
	for _, member := range r.Portals {
		if account != "" && account != member {
			continue
		}
		types := []int{entityType}
		if all {
			var err error
			if types, err = r.smartProcesses(ctx, member); err != nil {
				return nil, err
			}
		}
		for _, t := range types {
			shelves = append(shelves, shelf{member, t})
		}
	}
	return shelves, nil
}

// smartProcesses returns the types that a portal has defined (crm.type.list), and invoices, whose events look the same.
func (r *Records) smartProcesses(ctx context.Context, member string) ([]int, error) {
	const most = 10000 // types of one portal
	types := []int{smartInvoice}
	for start := 0; ; start += pageSize {
		var answer struct {
			Types []struct {
				EntityTypeID json.Number `json:"entityTypeId"`
			} `json:"types"`
		}
		params := map[string]any{"order": map[string]any{"id": "ASC"}, "start": start}
		if err := r.Client.call(ctx, member, "crm.type.list", params, &answer); err != nil {
			return nil, explain(err)
		}
		for _, t := range answer.Types {
			number, err := strconv.Atoi(t.EntityTypeID.String())
			if err != nil {
				return nil, errors.New("crm.type.list: the answer is not of the documented shape")
			}
			types = append(types, number)
		}
		if len(answer.Types) < pageSize || start > most {
			slices.Sort(types)
			return slices.Compact(types), nil
		}
	}
}

// page reads the records after an id.
func (r *Records) page(ctx context.Context, s shelf, query ingest.Query, last int) ([]json.RawMessage, error) {
	names := s.names()
	filter := map[string]any{">" + names.id: last}
	if !query.Since.IsZero() {
		filter[">="+names.updated] = asPortal(query.Since)
	}
	if !query.Until.IsZero() {
		filter["<"+names.updated] = asPortal(query.Until)
	}
	params := map[string]any{"order": map[string]any{names.id: "ASC"}, "filter": filter, "start": -1}
	if s.entityType == activityType {
		params["select"] = []string{"*"}
		var rows []json.RawMessage
		return rows, r.Client.inTurn(ctx, rest.Past, s.member, "crm.activity.list", params, &rows)
	}
	params["select"], params["entityTypeId"] = []string{"*"}, s.entityType
	var answer struct {
		Items []json.RawMessage `json:"items"`
	}
	err := r.Client.inTurn(ctx, rest.Past, s.member, "crm.item.list", params, &answer)
	return answer.Items, err
}

// asPortal formats a time for a filter: ISO 8601 with its zone, in whole seconds.
func asPortal(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05-07:00") }
