package transform

import (
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
	for _, id := range c.IDs {
		if seen[id] {
			continue
		}
		seen[id] = true
		one := c
		one.IDs, one.Fields, one.Values, one.Previous = []string{id}, nil, nil, nil
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
		size += copies*(natives.size(changes[i].IDs[0])+sizeOf(&changes[i])) + overhead
	}
	if size > maxHeld {
		return fmt.Errorf("one event for each of %d records would take more than %d MiB of memory", len(changes), maxHeld>>20)
	}
	return nil
}

// natives is native JSON in pieces, of which that of each record is put together: pieces that all share, and the record's own. The JSON
// is scanned once, however many records there are.
type natives struct {
	whole  []byte
	shared [][]byte   // in their order, around the parts
	parts  []recordOf // one fewer than shared
	common int        // bytes that all share
}

// recordOf is the part of each record, by record id: entries of a list, each behind a comma.
type recordOf map[string][]byte

// divide cuts native, an object of compact JSON, at the members of its body and query whose entries belong to one record each.
func divide(native []byte, divided []string) natives {
	n := natives{whole: native}
	if len(divided) == 0 {
		return n
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
			n.shared = append(n.shared, native[start:at])
			n.parts = append(n.parts, byRecord(list))
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

// byRecord groups the entries of a list by their records.
func byRecord(list []byte) recordOf {
	parts := recordOf{}
	add := func(id string, entry ...[]byte) {
		part := append(parts[id], ',')
		for _, piece := range entry {
			part = append(part, piece...)
		}
		parts[id] = part
	}
	for entry := range jsontext.Entries(list) {
		if entry[0] != '{' {
			add(idOf(entry), entry)
			continue
		}
		if id := recordID(entry); id != "" {
			add(id, entry)
			continue
		}
		for id, its := range jsontext.Members(entry) {
			add(string(id), jsontext.AppendName([]byte{'{'}, string(id)), its, []byte{'}'})
		}
	}
	return parts
}

// recordID returns the record_id of an entry; empty if it has none.
func recordID(entry []byte) (id string) {
	for name, value := range jsontext.Members(entry) {
		if strings.EqualFold(string(name), "record_id") {
			id = idOf(value)
		}
	}
	return id
}

// idOf returns a string without the white space around it, or a number with every digit.
func idOf(raw []byte) string {
	if text, ok := jsontext.StringOf(raw); ok {
		return strings.TrimSpace(text)
	}
	return string(raw)
}

// of returns the native JSON with the parts of one record; all of it unless ids is exactly one.
func (n natives) of(ids []string) []byte {
	if len(ids) != 1 || len(n.parts) == 0 {
		return n.whole
	}
	out := make([]byte, 0, n.size(ids[0]))
	for i, text := range n.shared {
		out = append(out, text...)
		if i < len(n.parts) {
			out = append(out, '[')
			if own := n.parts[i][ids[0]]; own != nil {
				out = append(out, own[1:]...)
			}
			out = append(out, ']')
		}
	}
	return out
}

// size returns the bytes that of returns for a record.
func (n natives) size(id string) int {
	if len(n.parts) == 0 {
		return len(n.whole)
	}
	size := n.common + 2*len(n.parts)
	for _, parts := range n.parts {
		size += len(parts[id])
	}
	return size
}
