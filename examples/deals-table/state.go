package main

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/nats-io/nats.go"
	bolt "go.etcd.io/bbolt"
)

// state is the part of a record's state that the table needs; the JSON Schema in dataschema describes all of it.
type state struct {
	Provider string          `json:"provider"`
	Account  string          `json:"account"`
	Module   string          `json:"module"`
	ID       string          `json:"id"`
	After    json.RawMessage `json:"after"` // the record; null: it was deleted. Raw, because no digit may change
}

// decode reads a state in either content mode (BRIDGE_EVENT_MODE): the message is a CloudEvent, or its data. Header names are in lower case.
func decode(headers nats.Header, text []byte) (s state, err error) {
	if strings.HasPrefix(headers.Get("content-type"), "application/cloudevents+json") {
		var event struct{ Data json.RawMessage }
		if err = json.Unmarshal(text, &event); err != nil {
			return s, err
		}
		text = event.Data
	}
	if err = json.Unmarshal(text, &s); err == nil && (s.ID == "" || s.After == nil) {
		err = errors.New("not the state of a record")
	}
	return s, err
}

// write makes the record the row of its partitionkey, or removes the row of a deleted one.
func (s state) write(rows *bolt.Bucket) error {
	key := []byte(strings.Join([]string{s.Provider, s.Account, s.Module, s.ID}, "/"))
	if string(s.After) == "null" {
		return rows.Delete(key)
	}
	return rows.Put(key, s.After)
}
