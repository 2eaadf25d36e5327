package zoho

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
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

const (
	// fieldsFor is how long the fields of a module are known: a new field is in the records that are read after it.
	fieldsFor = 15 * time.Minute
	// busyFor is how long no record is read, at least, after calls were refused with a 429 for longer than they are repeated.
	busyFor = time.Minute
)

// fieldList has the names of a module's fields, as parameters of at most maxFields names.
type fieldList struct {
	params []string
	read   time.Time
}

// recordID is the look of a record's id.
var recordID = regexp.MustCompile(`^[0-9]{1,30}$`)

// Read implements ingest.Reader. A record has all its fields, which takes a call for each 50 of them.
func (c *Channels) Read(ctx context.Context, _, module string, ids []string) (ingest.Found, error) {
	found := ingest.Found{Records: map[string]ingest.Record{}, Refused: map[string]error{}}
	if ingest.CheckModule(module) != nil {
		return found, fmt.Errorf("records %w: the module's name is not one of Zoho's API", ingest.ErrUnreadable)
	}
	if spent := c.Client.budget.Spent("API credits"); spent != nil {
		return found, spent
	}
	params, err := c.Client.paramsOf(ctx, module)
	if err != nil {
		return found, unreadable(module, err)
	}
	var asked []string
	for _, id := range ids {
		if recordID.MatchString(id) {
			asked = append(asked, id)
		} else {
			found.Refused[id] = errors.New("the id of a record in Zoho CRM is a number")
		}
	}
	if len(asked) == 0 {
		return found, nil
	}
	tooMany := func(err error) bool { return errors.Is(err, errTooMany) }
	err = rest.Halve(asked, found.Refused, tooMany, func(ids []string) error {
		rows, err := c.Client.rows(ctx, module, ids, params)
		maps.Copy(found.Records, rows)
		return err
	})
	return found, unreadable(module, err)
}

// paramsOf returns the names of a module's fields, divided as calls take them; before v3 a call without names returns all.
func (c *Client) paramsOf(ctx context.Context, module string) ([]string, error) {
	if !c.Version.since("v3") {
		return []string{""}, nil
	}
	c.mu.Lock()
	known := c.fields[module]
	c.mu.Unlock()
	if time.Since(known.read) < fieldsFor {
		return known.params, nil
	}
	names, err := c.fieldsOf(ctx, module)
	if err != nil {
		return nil, err
	}
	list := fieldList{read: time.Now()}
	for len(names) > 0 {
		n := min(len(names), maxFields)
		list.params = append(list.params, strings.Join(names[:n], ","))
		names = names[n:]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fields == nil {
		c.fields = map[string]fieldList{}
	}
	c.fields[module] = list
	return list.params, nil
}

// errTooMany says that a call may name too many records, or one that Zoho refuses.
var errTooMany = errors.New("refused")

// rows reads records with the fields of each of params. One that was deleted between two of these calls is left out.
func (c *Client) rows(ctx context.Context, module string, ids, params []string) (map[string]ingest.Record, error) {
	rows := map[string]ingest.Record{}
	for i, names := range params {
		part, err := c.part(ctx, module, ids, names)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			rows = part
			continue
		}
		for id, row := range rows {
			if more, ok := part[id]; ok {
				row.Values = combined(row.Values, more.Values) // a change between the two has a callback of its own
				rows[id] = row
			} else {
				delete(rows, id)
			}
		}
	}
	return rows, nil
}

// part reads records with up to maxFields fields.
func (c *Client) part(ctx context.Context, module string, ids []string, names string) (map[string]ingest.Record, error) {
	ask := call{method: http.MethodGet, path: url.PathEscape(module), query: url.Values{"ids": {strings.Join(ids, ",")}}}
	if names != "" {
		ask.query.Set("fields", names)
	}
	got, err := c.inTurn(ctx, rest.Live, ask)
	switch code := got.code(); {
	case ctx.Err() != nil:
		return nil, err
	case errors.Is(err, rest.ErrTooLong):
		return nil, fmt.Errorf("%w: %w", errTooMany, err)
	case got.Status == http.StatusTooManyRequests:
		return nil, &ingest.Spent{Budget: got.err().Error(), Until: time.Now().Add(max(busyFor, retry.After(got.Header)))}
	case err != nil:
		return nil, err
	case got.Status == http.StatusNotFound && code == "INVALID_DATA":
		return nil, nil
	case got.Status == http.StatusBadRequest && !lasting[code] && got.err().Field != "fields", got.Status == http.StatusRequestURITooLong:
		return nil, fmt.Errorf("%w: %w", errTooMany, ask.wrap(got.err()))
	}
	list, info, err := readRecords(got)
	if err != nil {
		return nil, ask.wrap(err)
	}
	if info.More && len(list) < len(ids) && len(ids) > 1 {
		return nil, fmt.Errorf("%w: the page does not have all", errTooMany)
	}
	rows := make(map[string]ingest.Record, len(list))
	for _, raw := range list {
		r, err := readRecord(raw, false)
		if err != nil {
			return nil, ask.wrap(err)
		}
		if !slices.Contains(ids, r.id) {
			return nil, ask.wrap(errors.New("the answer has records that were not asked for")) // or what it lacks would look deleted
		}
		rows[r.id] = ingest.Record{ID: r.id, Values: raw, ModifiedAt: r.at, ChangedBy: r.by}
	}
	return rows, nil
}

// lasting are the codes that no other call for records of the module changes.
var lasting = map[string]bool{
	"INVALID_MODULE": true, "NO_PERMISSION": true, scopeMismatch: true, "NOT_SUPPORTED": true, "FEATURE_NOT_SUPPORTED": true, "INVALID_URL_PATTERN": true,
}

// unreadable makes an error an ErrUnreadable where the module, or what the refresh token may do, must change.
func unreadable(module string, err error) error {
	var refused *apiError
	if errors.As(err, &refused) && (lasting[refused.Code] || refused.Field == "fields" || refused.HTTP == http.StatusForbidden) || errors.Is(err, errNoFields) {
		return fmt.Errorf("records of %s %w: %w", module, ingest.ErrUnreadable, err)
	}
	return err
}

// combined returns an object with the members of another that it does not have.
func combined(object, other json.RawMessage) json.RawMessage {
	whole, has := []byte{'{'}, map[string]bool{}
	for name, value := range jsontext.Members(object) {
		has[string(name)] = true
		whole = append(jsontext.AppendName(whole, string(name)), value...)
	}
	for name, value := range jsontext.Members(other) {
		if !has[string(name)] {
			whole = append(jsontext.AppendName(whole, string(name)), value...)
		}
	}
	return append(whole, '}')
}
