package ingest

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode"
)

var operations = map[string]string{
	"create": "create", "insert": "create", "add": "create",
	"edit": "edit", "update": "edit",
	"delete": "delete",
}

// CheckModule returns ErrMalformed unless module can be a token of a subject.
func CheckModule(module string) error {
	if module == "" || len(module) > 100 || strings.ContainsFunc(module, func(r rune) bool { return !isAlphanumeric(r) && r != '_' && r != '-' }) {
		return fmt.Errorf("%w: module must be 1 to 100 of the characters A-Z a-z 0-9 _ -", ErrMalformed)
	}
	return nil
}

// Operation translates a CRM's operation, in any letter case, to the vocabulary of all CRMs: create, edit, delete; any other is kept in
// camelCase. It returns ErrMalformed if the result cannot be a token of a subject.
func Operation(native string) (string, error) {
	if native == "" || len(native) > 64 || native[0] <= '9' || strings.ContainsFunc(native, func(r rune) bool { return !isAlphanumeric(r) }) {
		return "", fmt.Errorf("%w: operation must be a letter and up to 63 more letters and digits", ErrMalformed)
	}
	if word, ok := operations[strings.ToLower(native)]; ok {
		return word, nil
	}
	if native == strings.ToUpper(native) {
		return strings.ToLower(native), nil
	}
	return strings.ToLower(native[:1]) + native[1:], nil
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

// CheckID returns ErrMalformed unless id can be a record id: 1 to 200 printable characters without white space.
func CheckID(id string) error {
	if id == "" || len(id) > 200 || strings.ContainsFunc(id, func(r rune) bool { return r == ' ' || r == unicode.ReplacementChar || !unicode.IsPrint(r) }) {
		return fmt.Errorf("%w: a record id must be 1 to 200 printable characters without white space", ErrMalformed)
	}
	return nil
}

// CheckRecordID returns ErrMalformed unless id can be the id of a record: CheckID accepts it, and it is neither a merge field that the
// CRM did not replace, such as ${Leads.Id}, {=Document:ID} or %ID%, however that is encoded, nor a null value, such as "undefined".
func CheckRecordID(id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	if isMergeField(id) {
		return fmt.Errorf("%w: the record id is a merge field that the CRM did not replace", ErrMalformed)
	}
	switch strings.ToLower(id) {
	case "null", "nil", "undefined", "none", "nan", "n/a":
		return fmt.Errorf("%w: the record id is a null value, such as undefined or none", ErrMalformed)
	}
	return nil
}

// maxEncodings bounds how often a merge field may be encoded: in a URL, in HTML, in a form.
const maxEncodings = 4

// isMergeField reports whether text holds a merge field, or does once it is decoded.
func isMergeField(text string) bool {
	for range maxEncodings {
		if looksMerged(text) {
			return true
		}
		plain := html.UnescapeString(Unescape(text))
		if plain == text {
			return false
		}
		text = plain
	}
	return looksMerged(text)
}

// bracedGUID matches an id in braces that is not a merge field.
var bracedGUID = regexp.MustCompile(`^\{[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}\}$`)

// Signs with which a merge field begins and ends that has no braces, as in %ID%, [ID] and <id>.
const opening, closing = "%#$@!*|~[<(", "%#$@!*|~]>)"

// looksMerged reports whether text holds a merge field verbatim. Most have braces (${…}, {=…}, {{…}}), which no id has.
func looksMerged(text string) bool {
	if strings.ContainsAny(text, "{}") {
		return !bracedGUID.MatchString(text)
	}
	if len(text) < len("%a%") {
		return false
	}
	first, last := text[0], text[len(text)-1]
	return first == '$' && !unicode.IsDigit(rune(text[1])) || strings.IndexByte(opening, first) >= 0 && strings.IndexByte(closing, last) >= 0
}
