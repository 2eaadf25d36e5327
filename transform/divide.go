package transform

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// maxHeld bounds the memory that the events of a callback take in record mode, in bytes.
const maxHeld = 32 << 20

// What an event takes until it is acknowledged: its data in the event, in the message, in the connection's buffer and in the stream's
// cache, and a constant.
const (
	copies   = 4
	overhead = 2 << 10
)

// split returns a change for each record id, with that record's fields and values, or c itself if it has fewer than two ids.
func split(c ingest.Change) []ingest.Change {
	if len(c.IDs) < 2 {
		return []ingest.Change{c}
	}
	each := make([]ingest.Change, 0, len(c.IDs))
	seen := make(map[string]bool, len(c.IDs))
	for i, id := range c.IDs {
		if seen[id] {
			continue
		}
		seen[id] = true
		one := c
		one.IDs, one.Fields, one.Values, one.Previous = c.IDs[i:i+1:i+1], nil, nil, nil
		if c.GivenID != "" {
			one.GivenID = c.GivenID + ":" + id
		}
		if names, ok := c.Fields[id]; ok {
			one.Fields = map[string][]string{id: names}
		}
		if values, ok := c.Values[id]; ok {
			one.Values = map[string]rawJSON{id: values}
		}
		if previous, ok := c.Previous[id]; ok {
			one.Previous = map[string]rawJSON{id: previous}
		}
		each = append(each, one)
	}
	return each
}

// fits returns an error if the events of the changes would take too much memory.
func fits(changes []ingest.Change, natives natives) error {
	if len(changes) < 2 {
		return nil
	}
	size := 0
	for i := range changes {
		size += copies*(natives.size(changes[i].IDs)+sizeOf(&changes[i])) + overhead
	}
	if size > maxHeld {
		return fmt.Errorf("one event for each of %d records would take more than %d MiB of memory", len(changes), maxHeld>>20)
	}
	return nil
}

// natives is native JSON in pieces, of which that of each record is put together: pieces that all share, and entries of the record's
// own between them. The JSON is scanned once, however many records there are.
type natives struct {
	whole   []byte
	shared  [][]byte       // in their order; a list of entries stands behind each but the last
	records map[string]int // the place of a record in own, by its id
	own     [][]entry      // of each record, in their order
	common  int            // bytes that all share
}

// entry is an entry of the list behind a shared piece.
type entry struct {
	behind int
	text   []byte
}

// divide cuts native, an object of compact JSON, at the members of its body and query whose entries belong to one record each.
func divide(native []byte, divided, ids []string) natives {
	n := natives{whole: native}
	if len(divided) == 0 || len(ids) == 0 {
		return n
	}
	n.records, n.own = make(map[string]int, len(ids)), make([][]entry, len(ids))
	for i, id := range ids {
		n.records[id] = i
	}
	start := 0
	for name, part := range jsontext.Members(native) {
		if string(name) != "body" && string(name) != "query" {
			continue
		}
		for name, list := range jsontext.Members(part) {
			if !slices.Contains(divided, string(name)) || len(list) == 0 || list[0] != '[' {
				continue
			}
			at := offset(native, list)
			n.addEntries(list)
			n.shared = append(n.shared, native[start:at])
			start = at + len(list)
		}
	}
	n.shared = append(n.shared, native[start:])
	for _, text := range n.shared {
		n.common += len(text)
	}
	return n
}

// offset returns where part, a slice of whole, begins in it.
func offset(whole, part []byte) int { return cap(whole) - cap(part) }

// addEntries adds those of a list to their records.
func (n *natives) addEntries(list []byte) {
	for text := range jsontext.Entries(list) {
		if text[0] != '{' {
			n.add(idOf(text), text)
			continue
		}
		if id := recordID(text); len(id) > 0 {
			n.add(id, text)
			continue
		}
		for id, its := range jsontext.Members(text) {
			only := make([]byte, 0, len(id)+len(its)+len(`{"":}`))
			only = append(jsontext.AppendName(append(only, '{'), string(id)), its...)
			n.add(id, append(only, '}'))
		}
	}
}

// add adds an entry of the next list to those of its record; one of no record of the callback is left out.
func (n *natives) add(id, text []byte) {
	if i, ok := n.records[string(id)]; ok {
		n.own[i] = append(n.own[i], entry{behind: len(n.shared), text: text})
	}
}

// recordID returns the record_id of an entry; empty if it has none.
func recordID(entry []byte) (id []byte) {
	for name, value := range jsontext.Members(entry) {
		if strings.EqualFold(string(name), "record_id") {
			id = idOf(value)
		}
	}
	return id
}

// idOf returns a string without the white space around it, or a number with every digit.
func idOf(raw []byte) []byte {
	if text, ok := jsontext.BytesOf(raw); ok {
		return bytes.TrimSpace(text)
	}
	return raw
}

// appendTo appends the native JSON with the entries of one record; all of it unless ids is exactly one.
func (n natives) appendTo(out []byte, ids []string) []byte {
	if len(ids) != 1 || n.records == nil {
		return append(out, n.whole...)
	}
	own, last := n.own[n.records[ids[0]]], len(n.shared)-1
	for i, text := range n.shared[:last] {
		out = append(append(out, text...), '[')
		for ; len(own) > 0 && own[0].behind == i; own = own[1:] {
			out = append(jsontext.AppendComma(out), own[0].text...)
		}
		out = append(out, ']')
	}
	return append(out, n.shared[last]...)
}

// size returns the bytes that appendTo appends at most.
func (n natives) size(ids []string) int {
	if len(ids) != 1 || n.records == nil {
		return len(n.whole)
	}
	size := n.common + 2*len(n.shared)
	for _, of := range n.own[n.records[ids[0]]] {
		size += len(of.text) + len(",")
	}
	return size
}
