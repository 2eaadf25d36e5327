package main

import (
	"bytes"
	"encoding/json"
	"time"
)

// row is one deal; of a deleted one only the time is kept.
//
// Events may arrive late, twice, and under two ids (a backfill repeats what a callback reported). So each field keeps the time of its last
// change and ignores older ones. The row is the same in whatever order and however often the events arrive, so the table need not
// remember event ids.
type row struct {
	Changed time.Time       `json:"changed,omitzero"` // the latest creation or edit
	Deleted time.Time       `json:"deleted,omitzero"`
	Cells   map[string]cell `json:"cells,omitempty"` // by field
}

// cell is a field's last change.
type cell struct {
	At    time.Time       `json:"at"`
	Event string          `json:"event"`           // id of the event
	Value json.RawMessage `json:"value,omitempty"` // absent: changed, but the CRM did not report the value
}

// alive reports whether the deal exists. One that is restored from the recycle bin does, with what was reported since.
func (r *row) alive() bool { return r.Changed.After(r.Deleted) }

// apply applies a change of the record to its row.
func (r *row) apply(id string, c change) {
	if c.Operation == "delete" {
		if c.at.After(r.Deleted) {
			r.Deleted = c.at
		}
		for name, old := range r.Cells {
			if !old.At.After(r.Deleted) {
				delete(r.Cells, name)
			}
		}
		return
	}
	if !c.at.After(r.Deleted) {
		return
	}
	if c.at.After(r.Changed) {
		r.Changed = c.at
	}
	for _, name := range c.Fields[id] {
		r.put(name, cell{At: c.at, Event: c.event, Value: c.Values[id][name]})
	}
	for name, value := range c.Values[id] {
		r.put(name, cell{At: c.at, Event: c.event, Value: value})
	}
}

func (r *row) put(name string, reported cell) {
	if r.Cells == nil {
		r.Cells = map[string]cell{}
	}
	if old, ok := r.Cells[name]; !ok || reported.replaces(old) {
		r.Cells[name] = reported
	}
}

// replaces orders changes of one field: by time; at the same time a value precedes none; then by any fixed rule.
func (c cell) replaces(old cell) bool {
	switch {
	case !c.At.Equal(old.At):
		return c.At.After(old.At)
	case (c.Value == nil) != (old.Value == nil):
		return c.Value != nil
	case c.Event != old.Event:
		return c.Event > old.Event
	}
	return bytes.Compare(c.Value, old.Value) > 0
}
