package bitrix24

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// maxFields bounds the fields of one body, as ingest.ParseForm bounds its parameters.
const maxFields = 1000

// body is what a callback says, the same whether it came as a form (the wire) or as JSON (the documents). Verify and
// Decode both read it, so that they cannot see different things.
type body struct {
	native json.RawMessage // the callback as it came, as a JSON object
	fields []field
}

// field is one value of a body.
type field struct {
	names []string        // that lead to it, as they came: data, FIELDS, ID
	raw   json.RawMessage // as JSON
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// parse reads a body by its content: what starts with a brace is JSON whatever its header says. Its errors wrap
// ErrMalformed.
func parse(cb ingest.Callback) (body, error) {
	_, _, charset, err := ingest.Content(cb.Header.Get("Content-Type"))
	if err == nil {
		err = readsASCII(charset)
	}
	if err != nil {
		return body{}, err
	}
	raw := bytes.TrimSpace(bytes.TrimPrefix(cb.Body, byteOrderMark))
	if !bytes.HasPrefix(raw, []byte("{")) {
		params, err := ingest.ParseForm(string(raw), charset)
		if err != nil {
			return body{}, err
		}
		return parseForm(params), nil
	}
	text, err := ingest.Text(raw, charset)
	if err != nil {
		return body{}, err
	}
	if !json.Valid([]byte(text)) {
		return body{}, fmt.Errorf("%w: the body is not JSON", ingest.ErrMalformed)
	}
	b := body{native: json.RawMessage(text)}
	return b, b.descend(nil, b.native)
}

// readsASCII refuses charsets such as UTF-16, in which nobody would find the secrets of a body to take them out.
func readsASCII(charset encoding.Encoding) error {
	const ascii = "auth[application_token]"
	if charset == nil {
		return nil
	}
	if text, err := charset.NewDecoder().String(ascii); err != nil || text != ascii {
		return fmt.Errorf("%w: the charset of the Content-Type does not hold ASCII", ingest.ErrMalformed)
	}
	return nil
}

func parseForm(params ingest.Params) body {
	b := body{native: params.JSON()}
	unindexed := 0
	for _, param := range params {
		names := brackets(param.Name)
		if match(names, "document_id", "") { // PHP counts
			names[1] = strconv.Itoa(unindexed)
			unindexed++
		}
		b.fields = append(b.fields, field{names, ingest.JSONString(param.Value)})
	}
	return b
}

// brackets splits data[FIELDS][ID] as PHP does. A name that PHP would not split is one step.
func brackets(name string) []string {
	first, rest, ok := strings.Cut(name, "[")
	if !ok || first == "" || !strings.HasSuffix(rest, "]") {
		return []string{name}
	}
	steps := strings.Split(strings.TrimSuffix(rest, "]"), "][")
	if slices.ContainsFunc(steps, func(step string) bool { return strings.ContainsAny(step, "[]") }) {
		return []string{name}
	}
	return append([]string{first}, steps...)
}

// descend adds the fields of raw, valid JSON that stands under names. It goes into what this package reads and leaves
// the rest whole, so it is never more than three levels deep.
func (b *body) descend(names []string, raw json.RawMessage) error {
	if !inside(names) || raw[0] != '{' && raw[0] != '[' {
		if b.fields = append(b.fields, field{names, raw}); len(b.fields) > maxFields {
			return fmt.Errorf("%w: more than %d fields", ingest.ErrMalformed, maxFields)
		}
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("%w: the body is not JSON", ingest.ErrMalformed)
	}
	for i := 0; decoder.More(); i++ {
		name := strconv.Itoa(i)
		if raw[0] == '{' {
			token, err := decoder.Token()
			if err != nil {
				return fmt.Errorf("%w: the body is not JSON", ingest.ErrMalformed)
			}
			name, _ = token.(string)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return fmt.Errorf("%w: the body is not JSON", ingest.ErrMalformed)
		}
		if err := b.descend(append(slices.Clone(names), name), value); err != nil {
			return err
		}
	}
	return nil
}

// inside tells whether this package reads what stands below names.
func inside(names []string) bool {
	return len(names) == 0 || match(names, "auth") || match(names, "data") || match(names, "data", "fields") || match(names, "document_id")
}

// match compares names with those wanted, which are in lower case.
func match(names []string, want ...string) bool {
	return slices.EqualFunc(names, want, func(name, want string) bool { return strings.ToLower(name) == want })
}

// find returns what stands under names (in lower case), nil where nothing or null does. What is said twice, in any
// letter case, is an error: readers could differ in which they take.
func (b body) find(names ...string) (json.RawMessage, error) {
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

// text returns the string under names, empty where there is none.
func (b body) text(names ...string) (string, error) {
	raw, err := b.find(names...)
	if err != nil || raw == nil {
		return "", err
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("%w: %s must be a string", ingest.ErrMalformed, strings.Join(names, "."))
	}
	return s, nil
}

var integer = regexp.MustCompile(`^-?[0-9]{1,30}$`)

// digits returns the string under names, or the whole number without losing one of its digits.
func (b body) digits(names ...string) (string, error) {
	raw, err := b.find(names...)
	if err != nil || raw == nil {
		return "", err
	}
	if integer.Match(raw) {
		return string(raw), nil
	}
	return b.text(names...)
}

// object writes fields as a JSON object, each under the names behind its first skip ones; a repeated name has a list.
func object(fields []field, skip int) json.RawMessage {
	out, seen := []byte{'{'}, map[string]int{}
	values := make([][]json.RawMessage, 0, len(fields))
	var names []string
	for _, f := range fields {
		name := f.names[skip]
		for _, step := range f.names[skip+1:] {
			name += "[" + step + "]"
		}
		at, ok := seen[name]
		if !ok {
			at = len(names)
			seen[name], names, values = at, append(names, name), append(values, nil)
		}
		values[at] = append(values[at], f.raw)
	}
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, ingest.JSONString(name)...), ':')
		if len(values[i]) == 1 {
			out = append(out, values[i][0]...)
			continue
		}
		list, _ := json.Marshal(values[i]) // raw JSON that was valid always encodes
		out = append(out, list...)
	}
	return append(out, '}')
}
