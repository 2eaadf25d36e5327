package zoho

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// RecordsLabel is the label of changes that are read from the API.
const RecordsLabel = "zoho-records"

// record is a row of a list of records, or of deleted ones.
type record struct {
	raw     json.RawMessage
	id      string
	at      time.Time // Modified_Time, or deleted_time; zero where the row has none
	created time.Time
	deleted bool
	by      string // who made the change of at: Modified_By, or deleted_by; empty where the row does not say
	maker   string // Created_By
}

// pageInfo is the info of a page.
type pageInfo struct {
	More  bool   `json:"more_records"`
	Token string `json:"next_page_token"`
}

// readRecords reads a page of a list. 204 means that there are no records, 304 that none is newer.
func readRecords(got answer) ([]json.RawMessage, pageInfo, error) {
	if got.Status == http.StatusNoContent || got.Status == http.StatusNotModified {
		return nil, pageInfo{}, nil
	}
	var body struct {
		Data *[]json.RawMessage `json:"data"`
		Info pageInfo           `json:"info"`
	}
	if err := json.Unmarshal(got.Body, &body); err != nil || got.Status != http.StatusOK || body.Data == nil {
		return nil, pageInfo{}, got.err()
	}
	return *body.Data, body.Info, nil
}

// readRecord reads a row; ids may be strings or numbers, and keep all their digits.
func readRecord(raw json.RawMessage, deleted bool) (record, error) {
	var row struct {
		ID       json.RawMessage `json:"id"`
		Created  json.RawMessage `json:"Created_Time"`
		Modified json.RawMessage `json:"Modified_Time"`
		Deleted  json.RawMessage `json:"deleted_time"`

		CreatedBy  json.RawMessage `json:"Created_By"`
		ModifiedBy json.RawMessage `json:"Modified_By"`
		DeletedBy  json.RawMessage `json:"deleted_by"`
	}
	if err := json.Unmarshal(raw, &row); err != nil {
		return record{}, errors.New("a row of the list is not a record")
	}
	r := record{raw: raw, id: plain(row.ID), deleted: deleted}
	if err := ingest.CheckID(r.id); err != nil {
		return record{}, err
	}
	r.created, r.maker = timeIn(row.Created), userIn(row.CreatedBy)
	if r.at, r.by = timeIn(row.Modified), userIn(row.ModifiedBy); deleted {
		r.at, r.by = timeIn(row.Deleted), userIn(row.DeletedBy)
	}
	return r, nil
}

// userIn returns the id of a user {"name","id"}; empty where there is none.
func userIn(raw json.RawMessage) string {
	var user struct{ ID json.RawMessage }
	_ = json.Unmarshal(raw, &user)
	id := plain(user.ID)
	if ingest.CheckRecordID(id) != nil {
		return ""
	}
	return id
}

func timeIn(raw json.RawMessage) time.Time {
	var text string
	_ = json.Unmarshal(raw, &text)
	t, _ := parseTime(text)
	return t
}

// change converts a record of a collection, read at a moment; ok is false where it is outside the query.
func (r record) change(q ingest.Query, account, collection string, read time.Time) (change ingest.Change, ok bool) {
	operation, at, ok := q.Lists(r.created, r.at)
	switch {
	case r.deleted:
		operation, at, ok = "delete", r.at, q.Contains(r.at) || r.at.IsZero()
	case r.at.IsZero() && !ok:
		operation, ok = "edit", true
	}
	if !ok {
		return change, false
	}
	by := r.by
	if !at.Equal(r.at) {
		by = r.maker
	}
	change = ingest.Change{
		Source: RecordsLabel, Provider: Provider, Account: account, Module: q.Module, Operation: operation, IDs: []string{r.id},
		Collection: collection, OccurredAt: at, ChangedBy: by, ReceivedAt: read, Origin: q.Origin, NativeOperation: operation, NativeBody: r.raw,
	}
	if !r.deleted {
		change.Values = map[string]json.RawMessage{r.id: r.raw}
	}
	if !r.at.IsZero() {
		change.Mark = strconv.FormatInt(r.at.UnixMilli(), 10)
	}
	return change, true
}

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)

// readFields reads the names of a module's fields.
func readFields(got answer) ([]string, error) {
	var body struct {
		Fields *[]struct {
			Name string `json:"api_name"`
		} `json:"fields"`
	}
	if err := json.Unmarshal(got.Body, &body); err != nil || body.Fields == nil {
		return nil, got.err()
	}
	var names []string
	for _, field := range *body.Fields {
		if fieldName.MatchString(field.Name) {
			names = append(names, field.Name)
		}
	}
	return names, nil
}

// whole returns the record that a listed change holds. A row with as many members as a request may name fields may be cut off there.
func whole(label, _ string, values json.RawMessage) (ingest.Record, bool) {
	r, err := readRecord(values, false)
	if label != RecordsLabel || err != nil {
		return ingest.Record{}, false
	}
	members := 0
	for range jsontext.Members(values) {
		members++
	}
	return ingest.Record{Values: values, ModifiedAt: r.at, ChangedBy: r.by}, members < maxFields
}
