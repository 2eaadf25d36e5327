package bitrix24

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// changes makes a page of records, and returns the last of their ids. What lies outside the span is left out.
func (s shelf) changes(have credentials, query ingest.Query, rows []json.RawMessage) (page ingest.Page, last int, err error) {
	for _, raw := range rows {
		record, err := s.read(raw)
		if err != nil {
			return ingest.Page{}, 0, err
		}
		last = max(last, record.number)
		if inSpan(query, record.updated) {
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
}

func (s shelf) read(raw json.RawMessage) (readRecord, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return readRecord{}, errors.New("a listed record is no object")
	}
	names := s.names()
	record := readRecord{id: scalar(members[names.id])}
	var err error
	if record.number, err = strconv.Atoi(record.id); err != nil || record.number <= 0 {
		return readRecord{}, errors.New("a listed record has no id that is a number")
	}
	record.created, record.updated = moment(members[names.created]), moment(members[names.updated])
	if record.updated.IsZero() {
		return readRecord{}, errors.New("a listed record has no time of its last modification")
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

// inSpan compares to the second.
func inSpan(query ingest.Query, at time.Time) bool {
	return !at.IsZero() && (query.Since.IsZero() || !at.Before(query.Since.Truncate(time.Second))) && (query.Until.IsZero() || at.Before(ceil(query.Until)))
}

func (s shelf) change(have credentials, query ingest.Query, record readRecord, raw json.RawMessage) ingest.Change {
	module := s.module()
	change := ingest.Change{
		Source: RecordsLabel, Provider: Provider, Account: s.member, Module: module, Operation: "edit", IDs: []string{record.id},
		Collection: collectionOf(have, module), OccurredAt: record.updated, ReceivedAt: time.Now().UTC(), Origin: query.Origin,
		Values: map[string]json.RawMessage{record.id: raw}, NativeOperation: "crm.item.list", NativeBody: raw,
		Mark: record.updated.Format(time.RFC3339),
	}
	if inSpan(query, record.created) {
		change.Operation = "create"
	}
	if s.entityType == activityType {
		change.NativeOperation = "crm.activity.list"
	}
	if module == dynamicItem { // records of different types share their ids
		change.Mark = strconv.Itoa(s.entityType) + " " + change.Mark
	}
	return change
}
