package bitrix24

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// callsInBatch is how many calls a batch may have (how-to-call-rest-api/batch.md). It counts as one request.
const callsInBatch = 50

// readable are the modules whose records can be read by their ids, with their entity types; 0: it is in the id.
var readable = map[string]int{"Lead": 1, "Deal": 2, "Contact": 3, "Company": 4, "Quote": 7, "Activity": activityType, dynamicItem: 0}

// keptModules returns the modules of BRIDGE_BITRIX24_RECORDS, as events write them.
func keptModules(names ingest.Modules, subjects []string) ([]string, error) {
	subscribed := slices.DeleteFunc(slices.Clone(subjects), func(subject string) bool {
		module, _, _ := strings.Cut(subject, ".")
		_, ok := readable[module]
		return !ok
	})
	all, err := names.Kept(subscribed, "BRIDGE_BITRIX24_EVENTS")
	if err != nil {
		return nil, fmt.Errorf("BRIDGE_BITRIX24_RECORDS: %w", err)
	}
	var modules []string
	for _, name := range all {
		found := false
		for module := range readable {
			if found = strings.EqualFold(module, name); found {
				name = module
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("BRIDGE_BITRIX24_RECORDS: the API reads records of Lead, Deal, Contact, Company, Quote, Activity and DynamicItem, not of %s", name)
		}
		if !slices.Contains(modules, name) {
			modules = append(modules, name)
		}
	}
	return modules, nil
}

// idAmong returns the id of a record among those of its module: of a dynamic item <ENTITY_TYPE_ID>-<ID>, because records of different
// types may have the same id.
func idAmong(module, id string, values json.RawMessage) string {
	if module != dynamicItem {
		return id
	}
	for name, value := range jsontext.Members(values) {
		if strings.EqualFold(strings.ReplaceAll(string(name), "_", ""), "entityTypeId") {
			return scalar(value) + "-" + id
		}
	}
	return id
}

// place is where a record is read.
type place struct {
	entityType, number string
}

var (
	plainID   = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)
	dynamicID = regexp.MustCompile(`^([1-9][0-9]{0,8})-([1-9][0-9]{0,17})$`)
)

func placeOf(module, id string) (place, error) {
	if entityType := readable[module]; entityType != 0 {
		if !plainID.MatchString(id) {
			return place{}, errors.New("the id of a record in Bitrix24 is a number")
		}
		return place{strconv.Itoa(entityType), id}, nil
	}
	parts := dynamicID.FindStringSubmatch(id)
	if parts == nil {
		return place{}, errors.New("the id of a dynamic item is <ENTITY_TYPE_ID>-<ID>, and its callback did not say both")
	}
	return place{parts[1], parts[2]}, nil
}

// Read implements ingest.Reader. It reads each record by a call of its own, 50 of them in a batch: a list with a filter would not say why a
// record is missing.
func (r *Records) Read(ctx context.Context, account, module string, ids []string) (ingest.Found, error) {
	found := ingest.Found{Records: map[string]ingest.Record{}, Refused: map[string]error{}}
	if _, ok := readable[module]; !ok {
		return found, fmt.Errorf("records of %s %w: Bitrix24's API has no call for them", module, ingest.ErrUnreadable)
	}
	if !slices.Contains(r.Portals, account) {
		return found, fmt.Errorf("records of portal %s %w: BRIDGE_BITRIX24_PORTALS does not name it", account, ingest.ErrUnreadable)
	}
	b := &reading{Records: r, portal: r.Client.portal(account), member: account, module: module, method: "crm.item.get", found: found, places: map[string]place{}}
	if module == "Activity" {
		b.method = "crm.activity.get"
	}
	if until := b.portal.spentUntil(b.method); time.Now().Before(until) {
		return found, &ingest.Spent{Budget: "the limit of " + b.method + " was reached", Until: until}
	}
	var asked []string
	for _, id := range ids {
		at, err := placeOf(module, id)
		if err != nil {
			found.Refused[id] = err
			continue
		}
		b.places[id], asked = at, append(asked, id)
	}
	for part := range slices.Chunk(asked, callsInBatch) {
		tooMany := func(err error) bool { return errors.Is(err, rest.ErrTooLong) }
		if err := rest.Halve(part, found.Refused, tooMany, func(ids []string) error { return b.read(ctx, ids) }); err != nil {
			return found, b.fate(err)
		}
	}
	return found, nil
}

// reading reads records of a module.
type reading struct {
	*Records
	portal         *portal
	member, module string
	method         string // that reads one
	found          ingest.Found
	places         map[string]place // by id
}

// slots are parts of an answer by the names of their calls. PHP writes none of them as a list.
type slots map[string]json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (s *slots) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(raw, []byte("[")) {
		return nil
	}
	return json.Unmarshal(raw, (*map[string]json.RawMessage)(s))
}

// read reads records by one batch.
func (b *reading) read(ctx context.Context, ids []string) error {
	calls := map[string]string{}
	for _, id := range ids {
		at := b.places[id]
		calls["of "+id] = b.method + "?id=" + at.number
		if b.module != "Activity" {
			calls["of "+id] += "&entityTypeId=" + at.entityType
		}
	}
	var answer struct {
		Results slots `json:"result"`
		Errors  slots `json:"result_error"`
		Times   slots `json:"result_time"`
	}
	if err := b.Client.inTurn(ctx, rest.Live, b.member, "batch", map[string]any{"halt": 0, "cmd": calls}, &answer); err != nil {
		return err
	}
	for _, raw := range answer.Times {
		b.portal.observe(b.method, raw)
	}
	for _, id := range ids {
		if raw, ok := answer.Errors["of "+id]; ok {
			if err := b.refused(id, raw); err != nil {
				return err
			}
			continue
		}
		if err := b.keep(id, answer.Results["of "+id]); err != nil {
			return fmt.Errorf("%s of portal %s: %w", b.method, b.member, err)
		}
	}
	return nil
}

// keep adds a record.
func (b *reading) keep(id string, raw json.RawMessage) error {
	entityType := activityType
	if b.module != "Activity" {
		var result struct {
			Item json.RawMessage `json:"item"`
		}
		if err := json.Unmarshal(raw, &result); err != nil {
			return errors.New("the answer is not of the documented shape")
		}
		raw, entityType = result.Item, 0
	}
	record, err := shelf{b.member, entityType}.read(raw)
	if err != nil {
		return err
	}
	if record.id != b.places[id].number {
		return errors.New("the answer has another record than was asked for")
	}
	b.found.Records[id] = ingest.Record{ID: id, Values: raw, ModifiedAt: record.updated, ChangedBy: record.changedBy}
	return nil
}

// refused records the error of a call for a record. It returns those that are not of this record alone.
func (b *reading) refused(id string, raw json.RawMessage) error {
	var says struct {
		Error       any `json:"error"`
		Description any `json:"error_description"`
	}
	_ = json.Unmarshal(raw, &says)
	secrets := []string{b.Client.ClientSecret}
	err := &apiError{http.StatusBadRequest, shown(says.Error, secrets), shown(says.Description, secrets)}
	words := strings.ToLower(err.Description) // crm.activity.get gives no code
	switch {
	case refusedWith(err, "NOT_FOUND", "ERROR_NOT_FOUND"), err.Code == "" && strings.Contains(words, "not found"):
		return nil
	case refusedWith(err, "ACCESS_DENIED"), err.Code == "" && strings.Contains(words, "access denied"):
		b.found.Refused[id] = err
		return nil
	}
	return fmt.Errorf("%s of portal %s: %w", b.method, b.member, err)
}

// fate makes an error an ErrUnreadable where what the application may do must change, and a Spent where a limit was reached.
func (b *reading) fate(err error) error {
	pause := time.Minute
	switch {
	case refusedWith(err, "insufficient_scope", "ACCESS_DENIED", "allowed_only_intranet_user", "ERROR_METHOD_NOT_FOUND"):
		return fmt.Errorf("records of %s %w: %w", b.module, ingest.ErrUnreadable, explain(err))
	case refusedWith(err, "OPERATION_TIME_LIMIT", "OVERLOAD_LIMIT"):
		pause = operatingSpan
	case !refusedWith(err, "QUERY_LIMIT_EXCEEDED"):
		return err
	}
	until := b.portal.spentUntil(b.method) // of OPERATION_TIME_LIMIT the answer may say when it is reset
	if !time.Now().Before(until) {
		until = time.Now().Add(pause)
		b.portal.spend(b.method, until)
	}
	return &ingest.Spent{Budget: err.Error(), Until: until}
}
