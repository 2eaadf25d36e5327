package bitrix24

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// maxFields bounds the fields of a body, and beyond it those that authenticate it.
const maxFields = 1000

// parsed is the content of a callback, whether it came as a form (the wire) or as JSON (the documents). Verify and Decode both read
// it, so that they cannot see different things.
type parsed struct {
	json   json.RawMessage // the body verbatim, if it is JSON
	form   body.Params     // else
	fields []field
	broken bool // its JSON is not valid: fields has what could be read
}

// native returns the body as a JSON object.
func (b parsed) native() json.RawMessage {
	if b.json != nil {
		return b.json
	}
	return b.form.JSON()
}

// field is one value of a body.
type field struct {
	names []string        // the path to it, verbatim: data, FIELDS, ID
	raw   json.RawMessage // as JSON
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// parse is read, once for a body.
func parse(cb ingest.Callback) (parsed, error) { return ingest.ParseOnce(cb, read) }

// read reads a body by its content: what starts with a brace is JSON whatever its header says, and an unknown charset counts as
// none. With an error, which wraps ErrMalformed, it returns what could be read, which is all that Verify needs.
func read(cb ingest.Callback) (parsed, error) {
	_, _, charset, _ := body.Content(cb.Header.Get("Content-Type"))
	raw := bytes.TrimSpace(bytes.TrimPrefix(cb.Body, byteOrderMark))
	if len(raw) > 0 && strings.IndexByte("{\x00\xfe\xff", raw[0]) >= 0 { // the last three may start UTF-16
		if text, err := body.Text(cb.Body, charset); strings.HasPrefix(strings.TrimSpace(text), "{") {
			return parseJSON(strings.TrimSpace(text), err)
		}
	}
	params, err := body.ParseFormWith(string(raw), charset, func(name string) bool { return isProof(brackets(nil, name)) })
	return parseForm(params), err
}

func parseJSON(text string, err error) (parsed, error) {
	b := parsed{json: json.RawMessage(text)}
	if err == nil {
		if broken := jsontext.Check(b.json); broken != nil {
			err = fmt.Errorf("%w: the body is %w", ingest.ErrMalformed, broken)
		}
	}
	b.broken = err != nil
	if !b.descend(nil, b.json) && err == nil {
		err = fmt.Errorf("%w: more than %d fields", ingest.ErrMalformed, maxFields)
	}
	return b, err
}

// isProof reports whether names lead to what authenticates an event.
func isProof(names []string) bool {
	return match(names, "auth", "member_id") || match(names, "auth", "application_token")
}

func parseForm(params body.Params) parsed {
	b := parsed{form: params, fields: make([]field, 0, len(params))}
	unindexed, size := 0, 0
	for _, param := range params {
		size += len(param.Value) + 2
	}
	values, steps := make([]byte, 0, size), make([]string, 0, 3*len(params))
	for _, param := range params {
		outer := len(steps)
		steps = brackets(steps, param.Name)
		names := steps[outer:len(steps):len(steps)]
		if match(names, "document_id", "") { // PHP numbers them
			names[1] = strconv.Itoa(unindexed)
			unindexed++
		}
		start := len(values)
		values = jsontext.AppendString(values, param.Value)
		b.fields = append(b.fields, field{names, values[start:len(values):len(values)]})
	}
	return b
}

// brackets appends the steps of data[FIELDS][ID], split as PHP does. A name that PHP would not split is appended whole.
func brackets(to []string, name string) []string {
	first, rest, ok := strings.Cut(name, "[")
	if !ok || first == "" || !strings.HasSuffix(rest, "]") {
		return append(to, name)
	}
	steps := append(to, first)
	for step := range strings.SplitSeq(strings.TrimSuffix(rest, "]"), "][") {
		if strings.ContainsAny(step, "[]") {
			return append(to, name)
		}
		steps = append(steps, step)
	}
	return steps
}

// descend adds the fields of raw, the JSON under names, and reports whether there was room for all. It descends only into what
// this package reads, at most three levels deep.
func (b *parsed) descend(names []string, raw json.RawMessage) (all bool) {
	if !inside(names) || raw[0] != '{' && raw[0] != '[' {
		return b.add(field{names, raw})
	}
	all = true
	for name, value := range jsontext.Members(raw) {
		all = b.descend(append(slices.Clip(names), string(name)), value) && all
	}
	i := 0
	for value := range jsontext.Entries(raw) {
		all = b.descend(append(slices.Clip(names), strconv.Itoa(i)), value) && all
		i++
	}
	return all
}

func (b *parsed) add(f field) bool {
	if b.broken && jsontext.Check(f.raw) != nil {
		return true
	}
	if n := len(b.fields); n >= 2*maxFields || n >= maxFields && !isProof(f.names) {
		return false
	}
	b.fields = append(b.fields, f)
	return len(b.fields) <= maxFields
}

// inside reports whether this package reads what is below names.
func inside(names []string) bool {
	return len(names) == 0 || match(names, "auth") || match(names, "data") || match(names, "data", "fields") || match(names, "document_id")
}

// match reports whether names are wanted, which is in lower case.
func match(names []string, want ...string) bool {
	return slices.EqualFunc(names, want, func(name, want string) bool { return len(name) == len(want) && strings.EqualFold(name, want) })
}

// find returns the value under names (in lower case), nil where there is none or null. Two values, in any letter case, are an
// error: readers could differ in which they use.
func (b parsed) find(names ...string) (json.RawMessage, error) {
	var found json.RawMessage
	for _, f := range b.fields {
		if !match(f.names, names...) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%w: %s is given twice", ingest.ErrMalformed, strings.Join(names, "."))
		}
		found = f.raw
	}
	if string(found) == "null" {
		return nil, nil
	}
	return found, nil
}

// has reports whether there is a value under names (in lower case), even null.
func (b parsed) has(names ...string) bool {
	return slices.ContainsFunc(b.fields, func(f field) bool { return match(f.names, names...) })
}

// text returns the string under names; empty where there is none.
func (b parsed) text(names ...string) (string, error) {
	raw, err := b.find(names...)
	if err != nil || raw == nil {
		return "", err
	}
	s, ok := jsontext.StringOf(raw)
	if !ok {
		return "", fmt.Errorf("%w: %s must be a string", ingest.ErrMalformed, strings.Join(names, "."))
	}
	return s, nil
}

// digits returns the string under names, or the whole number with all its digits.
func (b parsed) digits(names ...string) (string, error) {
	raw, err := b.find(names...)
	if err != nil || raw == nil {
		return "", err
	}
	if body.IsInteger(raw) {
		return string(raw), nil
	}
	return b.text(names...)
}

// object encodes fields as a JSON object, each under its names after the first skip; a repeated name has a list.
func object(fields []field, skip int) json.RawMessage {
	out, seen := []byte{'{'}, map[string]int{}
	values := make([][]json.RawMessage, 0, len(fields))
	var names []string
	for _, f := range fields {
		name := f.names[skip]
		if further := f.names[skip+1:]; len(further) > 0 {
			name += "[" + strings.Join(further, "][") + "]"
		}
		at, ok := seen[name]
		if !ok {
			at = len(names)
			seen[name], names, values = at, append(names, name), append(values, nil)
		}
		values[at] = append(values[at], f.raw)
	}
	for i, name := range names {
		out = jsontext.AppendName(out, name)
		if len(values[i]) == 1 {
			out = append(out, values[i][0]...)
			continue
		}
		out = append(out, '[')
		for _, value := range values[i] {
			out = append(jsontext.AppendComma(out), value...)
		}
		out = append(out, ']')
	}
	return append(out, '}')
}
