package zoho

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// notification is a notification whose members may have any shape.
type notification struct {
	Module, Operation, IDs, ChannelID, Token, ResourceURI, ServerTime, AffectedFields, AffectedValues, QueryParams json.RawMessage

	raw     json.RawMessage
	channel string // of ChannelID; empty where the body has none
	invalid error  // an ErrMalformed for a ChannelID that is not one
}

// parse is readNotification, once for a body.
func parse(cb ingest.Callback) (*notification, error) { return ingest.ParseOnce(cb, readNotification) }

// readNotification reads JSON by content: which Content-Type Zoho sends is not documented, so its charset counts only where the body is not
// UTF-8. With an error, which wraps ErrMalformed, it returns what could be read, which is all that Verify needs.
func readNotification(cb ingest.Callback) (*notification, error) {
	raw, err := body.Object(cb)
	b := &notification{raw: raw}
	for name, value := range jsontext.Members(b.raw) { // names are case-sensitive, and the last of a name wins
		if err == nil || jsontext.Check(value) == nil {
			b.set(name, value)
		}
	}
	b.channel, b.invalid = channelOf(b.ChannelID)
	return b, err
}

func (b *notification) set(name []byte, value json.RawMessage) {
	switch string(name) {
	case "module":
		b.Module = value
	case "operation":
		b.Operation = value
	case "ids":
		b.IDs = value
	case "channel_id":
		b.ChannelID = value
	case "token":
		b.Token = value
	case "resource_uri":
		b.ResourceURI = value
	case "server_time":
		b.ServerTime = value
	case "affected_fields":
		b.AffectedFields = value
	case "affected_values":
		b.AffectedValues = value
	case "query_params":
		b.QueryParams = value
	}
}

func absent(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

func text(raw []byte, name string) (string, error) {
	if absent(raw) {
		return "", fmt.Errorf("%w: %s is missing", ingest.ErrMalformed, name)
	}
	s, ok := jsontext.StringOf(raw)
	if !ok {
		return "", fmt.Errorf("%w: %s must be a string", ingest.ErrMalformed, name)
	}
	return s, nil
}

// tokenOf returns the token; present is false where it is null or absent.
func tokenOf(b *notification) (token string, present bool, err error) {
	if absent(b.Token) {
		return "", false, nil
	}
	token, err = text(b.Token, "token")
	return token, true, err
}

// digits returns a string, or a whole number with all its digits.
func digits(raw []byte, name string) (string, error) {
	text, ok := body.TextOrInteger(raw)
	if !ok {
		return "", fmt.Errorf("%w: %s must be a string or a whole number", ingest.ErrMalformed, name)
	}
	return text, nil
}

// channelOf returns the channel id of a channel_id; empty without one. Zoho sends a string; a number is accepted too, and
// negative ones were seen.
func channelOf(raw []byte) (string, error) {
	if absent(raw) {
		return "", nil
	}
	channel, err := digits(raw, "channel_id")
	if err != nil {
		return "", err
	}
	if ingest.CheckID(channel) != nil {
		return "", fmt.Errorf("%w: channel_id must be 1 to 200 printable characters without white space", ingest.ErrMalformed)
	}
	return channel, nil
}

func recordIDs(raw []byte) ([]string, error) {
	ids := make([]string, 0, 1)
	for entry := range jsontext.Entries(raw) {
		id, err := digits(entry, "a record id")
		if err == nil {
			err = ingest.CheckRecordID(id)
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: ids must be a list of at least one record id", ingest.ErrMalformed)
	}
	return ids, nil
}

// affectedFields reads a list of {record id: [field, …]}. Any other shape stays in the native body alone; an empty list means that
// the fields are unknown.
func affectedFields(raw []byte) map[string][]string {
	if absent(raw) || raw[0] != '[' {
		return nil
	}
	var fields map[string][]string
	s := jsontext.Scanner[string]{Text: string(raw)} // ids and names are slices of it
	for s.Enter(); s.More(); {
		switch s.Kind() {
		case jsontext.Null:
			s.Skip()
			continue
		case jsontext.Object:
			s.Enter()
		default:
			return nil
		}
		for s.More() {
			_, id := s.Name()
			names, ok := stringsOf(&s)
			if !ok || len(names) == 0 {
				continue
			}
			if fields == nil {
				fields = map[string][]string{}
			}
			if known := fields[id]; known != nil {
				names = append(known, names...)
			}
			fields[id] = names
		}
	}
	return fields
}

// stringsOf scans a list of strings; ok is false for any other value.
func stringsOf(s *jsontext.Scanner[string]) (list []string, ok bool) {
	if s.Kind() != jsontext.List {
		s.Skip()
		return nil, false
	}
	list, ok = make([]string, 0, 4), true
	for s.Enter(); s.More(); {
		text := "" // of null
		if kind := s.Kind(); kind == jsontext.String {
			_, text = s.String()
		} else {
			s.Skip()
			ok = ok && kind == jsontext.Null
		}
		list = append(list, text)
	}
	return list, ok
}

// affectedValues reads a list of {record_id, values}. Several entries of one record become one object.
func affectedValues(raw []byte) map[string]json.RawMessage {
	var values map[string]json.RawMessage
	var several map[string][]json.RawMessage // of records with more than one entry
	for entry := range jsontext.Entries(raw) {
		if !isObject(entry) {
			return nil
		}
		var recordID, its json.RawMessage
		for name, value := range jsontext.Members(entry) {
			switch strings.ToLower(string(name)) {
			case "record_id":
				recordID = value
			case "values":
				its = value
			}
		}
		id, err := digits(recordID, "record_id")
		if err != nil || len(its) == 0 || its[0] != '{' {
			continue
		}
		first, repeated := values[id]
		switch {
		case !repeated:
			if values == nil {
				values = map[string]json.RawMessage{}
			}
			values[id] = its
		case several[id] == nil:
			if several == nil {
				several = map[string][]json.RawMessage{}
			}
			several[id] = []json.RawMessage{first, its}
		default:
			several[id] = append(several[id], its)
		}
	}
	for id, objects := range several {
		values[id] = merged(objects)
	}
	return values
}

func isObject(raw []byte) bool { return raw[0] == '{' || absent(raw) }

// merged returns one object with the members of all, verbatim; of several with one name the last wins.
func merged(objects []json.RawMessage) json.RawMessage {
	if len(objects) == 1 {
		return objects[0]
	}
	values, names, size := map[string]json.RawMessage{}, []string(nil), 2
	for _, object := range objects {
		size += len(object)
		for name, value := range jsontext.Members(object) {
			if _, known := values[string(name)]; !known {
				names = append(names, string(name))
			}
			values[string(name)] = value
		}
	}
	all := append(make([]byte, 0, size), '{')
	for _, name := range names {
		all = append(jsontext.AppendName(all, name), values[name]...)
	}
	return append(all, '}')
}
