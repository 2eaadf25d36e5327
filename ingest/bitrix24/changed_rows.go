package bitrix24

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// RecordsLabel is the label of changes that are read from the API, and the family of their schema.
const RecordsLabel = "bitrix24-records"

// Entity types as in crm.item.list (crm/data-types.md); activities have their own list.
var entityTypes = map[string]int{"lead": 1, "deal": 2, "contact": 3, "company": 4, "quote": 7, "smartinvoice": smartInvoice, "activity": activityType}

const (
	activityType = 6
	smartInvoice = 31
)

// shelf is a list of the API: one entity type of one portal.
type shelf struct {
	member     string
	entityType int
}

func (s shelf) String() string { return s.member + "/" + strconv.Itoa(s.entityType) }

// recordNames are the names of the fields that are read of a record.
type recordNames struct {
	id, created, updated string
	changedBy            []string // the first that a record has: it depends on its entity type and on the portal's version
}

func (s shelf) names() recordNames {
	if s.entityType == activityType {
		return recordNames{"ID", "CREATED", "LAST_UPDATED", []string{"EDITOR_ID", "MODIFY_BY_ID"}}
	}
	return recordNames{"id", "createdTime", "updatedTime", []string{"updatedBy", "modifyById", "MODIFY_BY_ID"}}
}

// module returns the module of live events of the same records.
func (s shelf) module() string {
	switch s.entityType {
	case 1:
		return "Lead"
	case 2:
		return "Deal"
	case 3:
		return "Contact"
	case 4:
		return "Company"
	case activityType:
		return "Activity"
	case 7:
		return "Quote"
	}
	return dynamicItem
}

// changes converts records to a page, and returns the last of their ids. Records outside the span are skipped.
func (s shelf) changes(have credentials, query ingest.Query, rows []json.RawMessage) (page ingest.Page, last int, err error) {
	for _, raw := range rows {
		record, err := s.read(raw)
		if err != nil {
			return ingest.Page{}, 0, err
		}
		last = max(last, record.number)
		if query.Contains(record.updated) {
			page.Changes = append(page.Changes, s.change(have, query, record, raw))
		}
	}
	return page, last, nil
}

// readRecord is what is read of a record.
type readRecord struct {
	id               string
	number           int
	created, updated time.Time // zero where it has none
	changedBy        string    // empty where it names nobody
}

func (s shelf) read(raw json.RawMessage) (readRecord, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return readRecord{}, errors.New("a listed record is not an object")
	}
	names := s.names()
	record := readRecord{id: scalar(members[names.id])}
	var err error
	if record.number, err = strconv.Atoi(record.id); err != nil || record.number <= 0 {
		return readRecord{}, errors.New("the id of a listed record is not a number")
	}
	record.created, record.updated = moment(members[names.created]), moment(members[names.updated])
	for _, name := range names.changedBy {
		if record.changedBy = userOf(members[name]); record.changedBy != "" {
			break
		}
	}
	if record.updated.IsZero() {
		return readRecord{}, errors.New("a listed record has no modification time")
	}
	return record, nil
}

func moment(raw json.RawMessage) time.Time {
	at, err := time.Parse(time.RFC3339, scalar(raw))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

func (s shelf) change(have credentials, query ingest.Query, record readRecord, raw json.RawMessage) ingest.Change {
	module := s.module()
	change := ingest.Change{
		Source: RecordsLabel, Provider: Provider, Account: s.member, Module: module, Operation: "edit", IDs: []string{record.id},
		Collection: collectionOf(have, module), OccurredAt: record.updated, ReceivedAt: time.Now().UTC(), Origin: query.Origin,
		Values: map[string]json.RawMessage{record.id: raw}, NativeOperation: "crm.item.list", NativeBody: raw,
		Mark: record.updated.Format(time.RFC3339), ChangedBy: record.changedBy,
	}
	if query.Contains(record.created) {
		change.Operation = "create"
	}
	if s.entityType == activityType {
		change.NativeOperation = "crm.activity.list"
	}
	if module == dynamicItem { // records of different types may have the same id
		change.Mark = strconv.Itoa(s.entityType) + " " + change.Mark
	}
	return change
}
