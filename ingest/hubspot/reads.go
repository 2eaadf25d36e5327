package hubspot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

const (
	// propertiesFor is how long the properties of an object are known: a new one is in the records that are read after it.
	propertiesFor = 15 * time.Minute
	// spentFor is how long no record is read after the daily limit was reached. HubSpot does not say when the portal's midnight is.
	spentFor = 10 * time.Minute
)

// propertyList has the names of an object's properties.
type propertyList struct {
	names []string
	read  time.Time
}

// recordID is the look of a record's id.
var recordID = regexp.MustCompile(`^[0-9]{1,20}$`)

// keptModules returns the modules of BRIDGE_HUBSPOT_RECORDS, as events name them.
func keptModules(names ingest.Modules, subjects []string) ([]string, error) {
	all, err := names.Kept(subjects, "BRIDGE_HUBSPOT_JOURNAL")
	if err != nil {
		return nil, fmt.Errorf("BRIDGE_HUBSPOT_RECORDS: %w", err)
	}
	var modules []string
	for _, name := range all {
		of, _ := objectOf(name)
		if !listable(of.module) {
			return nil, fmt.Errorf("BRIDGE_HUBSPOT_RECORDS: %s is not an object: write contact,deal, or the objectTypeId of a custom object such as 2-3508482", name)
		}
		if !slices.Contains(modules, of.module) {
			modules = append(modules, of.module)
		}
	}
	return modules, nil
}

// Read implements ingest.Reader. A record has all its properties.
func (r *records) Read(ctx context.Context, account, module string, ids []string) (ingest.Found, error) {
	found := ingest.Found{Records: map[string]ingest.Record{}, Refused: map[string]error{}}
	of, _ := objectOf(module)
	if !listable(of.module) {
		return found, fmt.Errorf("records of %s %w: they are not an object of HubSpot's CRM", module, ingest.ErrUnreadable)
	}
	name, err := r.tokens.nameOf(ctx, account)
	if err != nil {
		return found, err
	}
	if spent := r.tokens.limits[name].budget.Spent("requests"); spent != nil {
		return found, spent
	}
	properties, err := r.known(ctx, name, of)
	if err != nil {
		return found, unreadable(module, err)
	}
	var asked []string
	for _, id := range ids {
		if recordID.MatchString(id) {
			asked = append(asked, id)
		} else {
			found.Refused[id] = errors.New("the id of a record in HubSpot is a number")
		}
	}
	if len(asked) == 0 {
		return found, nil
	}
	err = rest.Halve(asked, found.Refused, tooMany, func(ids []string) error {
		answer, err := r.batch(ctx, rest.Live, name, of, ids, properties)
		if err != nil {
			return err
		}
		for _, raw := range answer.Results {
			one, err := readRecord(of, raw)
			if err != nil {
				return err
			}
			if slices.Contains(ids, one.id) { // the id of a merged record may lead to another
				found.Records[one.id] = one.whole()
			}
		}
		return r.tokens.refused(answer.Errors, found.Refused)
	})
	var refused *apiError
	if errors.As(err, &refused) && refused.Policy == daily {
		return found, &ingest.Spent{Budget: refused.Error(), Until: time.Now().Add(spentFor)}
	}
	return found, unreadable(module, err)
}

// tooMany reports whether a call may have named too many records.
func tooMany(err error) bool {
	return errors.Is(err, rest.ErrTooLong) || answered(err, http.StatusBadRequest) || answered(err, http.StatusRequestEntityTooLarge)
}

// batchAnswer is what batch/read answers. Its status is 207 if it has errors.
type batchAnswer struct {
	Results []rawJSON
	Errors  []batchError
}

type batchError struct {
	Category, Message string
	Context           struct{ IDs []string }
}

// batch reads records by their ids, with properties.
func (r *records) batch(ctx context.Context, rank rest.Rank, name string, of object, ids, properties []string) (answer batchAnswer, err error) {
	inputs := make([]any, len(ids))
	for i, id := range ids {
		inputs[i] = map[string]string{"id": id}
	}
	err = r.inTurn(ctx, rank, name, http.MethodPost, of.below("/batch/read"), map[string]any{"inputs": inputs, "properties": properties}, &answer)
	return answer, err
}

// refused adds what the errors of an answer say of records that may exist. One that names no records is an error.
func (t *tokens) refused(all []batchError, refused map[string]error) error {
	for _, one := range all {
		err := &apiError{http.StatusMultiStatus, t.clean(one.Category), t.clean(one.Message), ""}
		switch {
		case one.Category == "OBJECT_NOT_FOUND":
		case len(one.Context.IDs) == 0:
			return err
		default:
			for _, id := range one.Context.IDs {
				refused[id] = err
			}
		}
	}
	return nil
}

// known returns the names of an object's properties, which are read again after a while.
func (r *records) known(ctx context.Context, name string, of object) ([]string, error) {
	limits := r.tokens.limits[name]
	limits.mu.Lock()
	list := limits.properties[of.module]
	limits.mu.Unlock()
	if time.Since(list.read) < propertiesFor {
		return list.names, nil
	}
	names, err := r.propertyNames(ctx, r.tokens.bearer(name), of)
	if err != nil {
		return nil, err
	}
	limits.mu.Lock()
	defer limits.mu.Unlock()
	limits.properties[of.module] = propertyList{names, time.Now()}
	return names, nil
}

// whole converts a row to a record.
func (r record) whole() ingest.Record {
	properties, _ := readMembers(nil, r.properties) // they were read before
	by := properties.id("hs_updated_by_user_id")
	if ingest.CheckRecordID(by) != nil {
		by = ""
	}
	return ingest.Record{ID: r.id, Values: r.properties, ModifiedAt: r.modified, ChangedBy: by}
}

// unreadable makes an error an ErrUnreadable where the object, or what the app may do, must change.
func unreadable(module string, err error) error {
	if answered(err, http.StatusForbidden) || answered(err, http.StatusNotFound) || answered(err, http.StatusBadRequest) {
		return fmt.Errorf("records of %s %w: %w", module, ingest.ErrUnreadable, err)
	}
	return err
}

// inTurn calls the API for records of a portal when it is the caller's turn.
func (r *records) inTurn(ctx context.Context, rank rest.Rank, name, method, path string, body, into any) error {
	done, err := r.tokens.limits[name].turns.Take(ctx, rank)
	if err != nil {
		return err
	}
	defer done()
	_, err = r.tokens.call(ctx, r.tokens.bearer(name), method, path, body, into)
	return err
}

// count records what an answer says of the daily limit. Not every answer says it.
func (l *limits) count(header http.Header) {
	if left, err := strconv.Atoi(header.Get("X-HubSpot-RateLimit-Daily-Remaining")); err == nil {
		ofDay, _ := strconv.Atoi(header.Get("X-HubSpot-RateLimit-Daily"))
		l.budget.Count(left, cmp.Or(ofDay, left))
	}
}
