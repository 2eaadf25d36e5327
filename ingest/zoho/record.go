package zoho

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// record is a row of a list of records, or of deleted ones.
type record struct {
	raw     json.RawMessage
	id      string
	at      time.Time // Modified_Time, or deleted_time; zero where the row has none
	created time.Time
	deleted bool
}

// pageInfo is what a list says of itself.
type pageInfo struct {
	More  bool   `json:"more_records"`
	Token string `json:"next_page_token"`
}

// readRecords reads a page of a list. 204 says that there are no records, 304 that none is newer.
func readRecords(got answer) ([]json.RawMessage, pageInfo, error) {
	if got.status == http.StatusNoContent || got.status == http.StatusNotModified {
		return nil, pageInfo{}, nil
	}
	var body struct {
		Data *[]json.RawMessage `json:"data"`
		Info pageInfo           `json:"info"`
	}
	if err := json.Unmarshal(got.body, &body); err != nil || got.status != http.StatusOK || body.Data == nil {
		return nil, pageInfo{}, got.err()
	}
	return *body.Data, body.Info, nil
}

// readRecord reads a row; ids keep every digit, whether they are strings or numbers.
func readRecord(raw json.RawMessage, deleted bool) (record, error) {
	var row struct {
		ID       json.RawMessage `json:"id"`
		Created  json.RawMessage `json:"Created_Time"`
		Modified json.RawMessage `json:"Modified_Time"`
		Deleted  json.RawMessage `json:"deleted_time"`
	}
	if err := json.Unmarshal(raw, &row); err != nil {
		return record{}, errors.New("a row of the list is not a record")
	}
	r := record{raw: raw, id: plain(row.ID), deleted: deleted}
	if err := ingest.CheckID(r.id); err != nil {
		return record{}, err
	}
	r.created = timeIn(row.Created)
	if r.at = timeIn(row.Modified); deleted {
		r.at = timeIn(row.Deleted)
	}
	return r, nil
}

// plain is a string, or a number with every digit of it; empty for null.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}

func timeIn(raw json.RawMessage) time.Time {
	var text string
	_ = json.Unmarshal(raw, &text)
	t, _ := parseTime(text)
	return t
}

// change makes a change of a record; ok is false where it lies outside the query.
func (l *lister) change(r record, read time.Time) (change ingest.Change, ok bool) {
	made := within(r.created, l.query) && !r.deleted
	later := !r.at.Before(l.query.Until) && !r.at.IsZero()
	hidden := later && l.query.Origin == ingest.Repair && !r.deleted && r.created.Before(l.query.Until)
	if !made && !hidden && !within(r.at, l.query) && !r.at.IsZero() {
		return change, false
	}
	change = ingest.Change{
		Source: RecordsLabel, Provider: Provider, Account: l.account, Module: l.query.Module, Operation: "edit", IDs: []string{r.id},
		Collection: l.APIURL + "/crm/" + string(l.Version) + "/" + l.query.Module, OccurredAt: r.at, ReceivedAt: read, Origin: l.query.Origin,
		NativeBody: r.raw,
	}
	switch {
	case r.deleted:
		change.Operation = "delete"
	case made:
		change.Operation = "create"
		if later {
			change.OccurredAt = r.created
		}
	}
	if !r.deleted {
		change.Values = map[string]json.RawMessage{r.id: r.raw}
	}
	change.NativeOperation = change.Operation
	if !r.at.IsZero() {
		change.Mark = strconv.FormatInt(r.at.UnixMilli(), 10)
	}
	return change, true
}

func within(t time.Time, q ingest.Query) bool { return !t.Before(q.Since) && t.Before(q.Until) }

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)

// readFields reads the names of a module's fields.
func readFields(got answer) ([]string, error) {
	var body struct {
		Fields *[]struct {
			Name string `json:"api_name"`
		} `json:"fields"`
	}
	if err := json.Unmarshal(got.body, &body); err != nil || body.Fields == nil {
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

// RecordsSecrets says that a record is the customer's own data: nothing in it is removed for its name.
func (c *Channels) RecordsSecrets() ingest.Secrets {
	return ingest.Secrets{Records: []string{"*"}, Values: []string{c.Client.ClientSecret, c.Client.RefreshToken}, Looks: looks}
}
