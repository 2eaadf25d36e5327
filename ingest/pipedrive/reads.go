package pipedrive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// single is a path of the API below which each record of a module is read by itself.
type single struct {
	path     string
	version1 bool
}

// singles are those of modules without a list that takes ids. Of deal_product and deal_installment the API reads none.
var singles = map[string]single{
	"lead": {"leads", true}, "note": {"notes", true}, "user": {"users", true}, "pipeline": {path: "api/v2/pipelines"}, "stage": {path: "api/v2/stages"},
	"project": {path: "api/v2/projects"}, "phase": {path: "api/v2/phases"}, "board": {path: "api/v2/boards"}, "task": {path: "api/v2/tasks"},
}

// named returns the lists of a module that take ids.
func named(module string) (lists []recordList) {
	for _, list := range recordLists[module] {
		if !list.offset && !list.deleted {
			lists = append(lists, list)
		}
	}
	return lists
}

// isReadable reports whether records of a module can be read by their ids.
func isReadable(module string) bool {
	return singles[module].path != "" || len(named(module)) > 0
}

// kept returns the modules of BRIDGE_PIPEDRIVE_RECORDS, with those that are subscribed and can be read for "all".
func kept(records ingest.Modules, subjects []string) ([]string, error) {
	subscribed := slices.DeleteFunc(slices.Clone(subjects), func(subject string) bool {
		module, _, _ := strings.Cut(subject, ".")
		return !isReadable(module)
	})
	all, err := records.Kept(subscribed, "BRIDGE_PIPEDRIVE_EVENTS")
	if err != nil {
		return nil, fmt.Errorf("BRIDGE_PIPEDRIVE_RECORDS: %w", err)
	}
	for _, module := range all {
		if !isReadable(module) {
			can := slices.DeleteFunc(slices.Clone(modules), func(module string) bool { return !isReadable(module) })
			return nil, fmt.Errorf("BRIDGE_PIPEDRIVE_RECORDS: the API does not read records of %s; it reads %s", module, strings.Join(can, ", "))
		}
	}
	return all, nil
}

var (
	numberID = regexp.MustCompile(`^[0-9]{1,20}$`)
	leadID   = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
)

// Read implements ingest.Reader. Records of modules without a list that takes ids take a call each.
func (r *Records) Read(ctx context.Context, account, module string, ids []string) (ingest.Found, error) {
	found := ingest.Found{Records: map[string]ingest.Record{}, Refused: map[string]error{}}
	if !isReadable(module) {
		return found, fmt.Errorf("records of %s %w: Pipedrive's API has no call for them", module, ingest.ErrUnreadable)
	}
	if spent := r.Client.spent(); spent != nil {
		return found, spent
	}
	if _, err := r.company(ctx, account); err != nil {
		return found, err
	}
	look, says := numberID, "the id of a record in Pipedrive is a number"
	if module == "lead" {
		look, says = leadID, "the id of a lead is a UUID"
	}
	var asked []string
	for _, id := range ids {
		if look.MatchString(id) {
			asked = append(asked, id)
		} else {
			found.Refused[id] = errors.New(says)
		}
	}
	read := r.readOne
	if len(named(module)) > 0 {
		read = r.readMany
	}
	err := read(ctx, module, asked, found)
	if err == nil {
		return found, nil
	}
	if spent := r.Client.closed(); spent != nil && ctx.Err() == nil {
		return found, spent
	}
	if refusedWith(err, http.StatusForbidden) || refusedWith(err, http.StatusPaymentRequired) {
		return found, fmt.Errorf("records of %s %w: %w", module, ingest.ErrUnreadable, err)
	}
	return found, err
}

// readMany reads records from each list of a module that takes ids: what is not in the first may be in the next.
func (r *Records) readMany(ctx context.Context, module string, ids []string, found ingest.Found) error {
	for i, list := range named(module) {
		missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return found.Records[id].ID != "" || found.Refused[id] != nil })
		if len(missing) == 0 {
			return nil
		}
		err := rest.Halve(missing, found.Refused, tooMany, func(ids []string) error {
			rows, err := r.named(ctx, list, ids)
			maps.Copy(found.Records, rows)
			return err
		})
		if i > 0 && refusedWith(err, http.StatusNotFound) {
			continue // an account without that list
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tooMany reports whether a call may have named too many records.
func tooMany(err error) bool {
	return errors.Is(err, rest.ErrTooLong) || refusedWith(err, http.StatusBadRequest) || refusedWith(err, http.StatusRequestURITooLong)
}

// named reads records from a list by their ids.
func (r *Records) named(ctx context.Context, list recordList, ids []string) (map[string]ingest.Record, error) {
	answer, err := r.Client.inTurn(ctx, rest.Live, list.path, url.Values{"ids": {strings.Join(ids, ",")}, "limit": {strconv.Itoa(ingest.MaxRead)}})
	if err != nil {
		return nil, err
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(answer.Data, &rows); err != nil {
		return nil, errors.New("pipedrive: the list of records is not of the documented shape")
	}
	records := make(map[string]ingest.Record, len(rows))
	for _, raw := range rows {
		row, err := readRow(raw)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, row.id) {
			return nil, errors.New("pipedrive: the list has records that were not asked for") // or what it lacks would look deleted
		}
		records[row.id] = row.record()
	}
	return records, nil
}

// readOne reads records one by one.
func (r *Records) readOne(ctx context.Context, module string, ids []string, found ingest.Found) error {
	path := singles[module].path
	if singles[module].version1 {
		path = r.Client.version1(path)
	}
	for _, id := range ids {
		answer, err := r.Client.inTurn(ctx, rest.Live, path+"/"+id, nil)
		switch {
		case refusedWith(err, http.StatusNotFound), refusedWith(err, http.StatusGone):
			continue
		case refusedWith(err, http.StatusBadRequest):
			found.Refused[id] = err
			continue
		case err != nil:
			return err
		}
		row, err := readRow(answer.Data)
		if err != nil {
			return err
		}
		if members := body.Members(nil).Append(answer.Data); string(members.Of("is_deleted")) == "true" || module == "note" && string(members.Of("active_flag")) == "false" {
			continue
		}
		found.Records[id] = row.record()
	}
	return nil
}

// record converts a row to a record. Pipedrive does not say who changed it.
func (r listedRecord) record() ingest.Record {
	return ingest.Record{ID: r.id, Values: r.raw, ModifiedAt: r.updated}
}

// inTurn gets records from the API when it is the caller's turn.
func (c *Client) inTurn(ctx context.Context, rank rest.Rank, path string, query url.Values) (apiAnswer, error) {
	done, err := c.turns.Take(ctx, rank)
	if err != nil {
		return apiAnswer{}, err
	}
	defer done()
	return c.call(ctx, http.MethodGet, path, query, nil)
}

// spent returns why no record is to be read now, or nil.
func (c *Client) spent() *ingest.Spent {
	if spent := c.closed(); spent != nil {
		return spent
	}
	return c.budget.Spent("API tokens of the company")
}

// closed returns a Spent while the API is closed for longer than a call waits.
func (c *Client) closed() *ingest.Spent {
	until := c.gate.Closed()
	if time.Until(until) <= maxClosed {
		return nil
	}
	return &ingest.Spent{Budget: "Pipedrive accepts no more calls now", Until: until}
}
