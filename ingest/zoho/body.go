package zoho

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// body is a notification before anything in it is trusted to have the shape that the documents give.
type body struct {
	Module, Operation, IDs, ChannelID, Token, ResourceURI, ServerTime, AffectedFields, AffectedValues json.RawMessage

	raw json.RawMessage
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// parse reads JSON by content: which Content-Type Zoho sends is not documented.
func parse(raw []byte) (body, error) {
	raw = bytes.TrimPrefix(raw, byteOrderMark)
	var b body
	if !utf8.Valid(raw) {
		return b, fmt.Errorf("%w: the body is not UTF-8", ingest.ErrMalformed)
	}
	if trimmed := bytes.TrimLeft(raw, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return b, fmt.Errorf("%w: the body is not a JSON object", ingest.ErrMalformed)
	}
	// Into a map, because names count as they are written: into a struct "Module" would override "module".
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return b, fmt.Errorf("%w: the body is not JSON", ingest.ErrMalformed)
	}
	return body{
		Module: members["module"], Operation: members["operation"], IDs: members["ids"], ChannelID: members["channel_id"],
		Token: members["token"], ResourceURI: members["resource_uri"], ServerTime: members["server_time"],
		AffectedFields: members["affected_fields"], AffectedValues: members["affected_values"], raw: raw,
	}, nil
}

func absent(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

func text(raw []byte, name string) (string, error) {
	var s string
	if absent(raw) {
		return "", fmt.Errorf("%w: %s is missing", ingest.ErrMalformed, name)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%w: %s must be a string", ingest.ErrMalformed, name)
	}
	return s, nil
}

// tokenOf returns the token; present is false where it is null or absent.
func tokenOf(b body) (token string, present bool, err error) {
	if absent(b.Token) {
		return "", false, nil
	}
	token, err = text(b.Token, "token")
	return token, true, err
}

var integer = regexp.MustCompile(`^-?[0-9]{1,30}$`)

// digits reads a string, or a whole number without losing one of its digits.
func digits(raw []byte, name string) (string, error) {
	if len(raw) > 0 && raw[0] == '"' {
		return text(raw, name)
	}
	if !integer.Match(raw) {
		return "", fmt.Errorf("%w: %s must be a string or a whole number", ingest.ErrMalformed, name)
	}
	return string(raw), nil
}

// channelOf returns the channel id as its digits: Zoho sends a string, a number is taken too, and negative ones were
// seen. It is empty where the body has none.
func channelOf(b body) (string, error) {
	if absent(b.ChannelID) {
		return "", nil
	}
	channel, err := digits(b.ChannelID, "channel_id")
	if err != nil {
		return "", err
	}
	if ingest.CheckID(channel) != nil {
		return "", fmt.Errorf("%w: channel_id must be 1 to 200 printable characters without white space", ingest.ErrMalformed)
	}
	return channel, nil
}

func recordIDs(raw []byte) ([]string, error) {
	var list []json.RawMessage
	if absent(raw) || json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil, fmt.Errorf("%w: ids must be a list of at least one record id", ingest.ErrMalformed)
	}
	ids := make([]string, len(list))
	for i, entry := range list {
		id, err := digits(entry, "a record id")
		if err == nil {
			err = ingest.CheckID(id)
		}
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

// affectedFields reads a list of {record id: [field, …]}. What is of another shape stays in the native body alone; an
// empty list means that the fields are not known.
func affectedFields(raw []byte) map[string][]string {
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	fields := map[string][]string{}
	for _, entry := range list {
		for id, names := range entry {
			var some []string
			if json.Unmarshal(names, &some) == nil && len(some) > 0 {
				fields[id] = append(fields[id], some...)
			}
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return fields
}

// affectedValues reads a list of {record_id, values}.
func affectedValues(raw []byte) map[string]json.RawMessage {
	var list []struct {
		RecordID json.RawMessage `json:"record_id"`
		Values   json.RawMessage `json:"values"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	values := map[string]json.RawMessage{}
	for _, entry := range list {
		id, err := digits(entry.RecordID, "record_id")
		if err == nil && len(entry.Values) > 0 && entry.Values[0] == '{' {
			values[id] = merged(values[id], entry.Values)
		}
	}
	if len(values) == 0 {
		return nil
	}
	return values
}

// merged returns one object with the members of both; where both have one, the later counts.
func merged(earlier, later json.RawMessage) json.RawMessage {
	members := map[string]json.RawMessage{}
	if earlier == nil || json.Unmarshal(earlier, &members) != nil || json.Unmarshal(later, &members) != nil {
		return later
	}
	both, err := json.Marshal(members)
	if err != nil {
		return later
	}
	return both
}
