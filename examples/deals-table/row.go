package main

import (
	"bytes"
	"encoding/json"
	"time"
)

// row is one deal, or what is left of a deleted one: the time.
//
// Events may come late, twice, and under two ids (a backfill tells again what a callback told). So each field keeps the
// time of its last change, and an older one does not count. Whatever the order of the events, and however often each of
// them comes, the row is the same in the end; that is why the table needs no memory of event ids.
type row struct {
	Changed time.Time       `json:"changed,omitzero"` // the latest creation or edit
	Deleted time.Time       `json:"deleted,omitzero"`
	Cells   map[string]cell `json:"cells,omitempty"` // by field
}

// cell is a field's last change.
type cell struct {
	At    time.Time       `json:"at"`
	Event string          `json:"event"`           // who said so
	Value json.RawMessage `json:"value,omitempty"` // absent: changed, but the CRM did not say to what
}

// alive reports whether the deal is there. One that comes back from the recycle bin is, with what was told since.
func (r *row) alive() bool { return r.Changed.After(r.Deleted) }

// apply brings a change of the record into its row.
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

func (r *row) put(name string, told cell) {
	if r.Cells == nil {
		r.Cells = map[string]cell{}
	}
	if old, ok := r.Cells[name]; !ok || told.replaces(old) {
		r.Cells[name] = told
	}
}

// replaces orders changes of one field: by time; of one time a value beats none; and then any rule would do that is the same always.
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
