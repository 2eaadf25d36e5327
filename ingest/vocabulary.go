package ingest

import (
	"fmt"
	"regexp"
	"strings"
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

// Operation translates a CRM's word into the one vocabulary of all CRMs: create, edit, delete, in any letter case;
// any other word keeps its own in camelCase. It returns ErrMalformed for what cannot be a token of a subject.
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
	if id == "" || len(id) > 200 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == 0x7f || (r >= 0x80 && r <= 0xa0) || r == 0xfffd }) {
		return fmt.Errorf("%w: a record id must be 1 to 200 printable characters without white space", ErrMalformed)
	}
	return nil
}

// CheckRecordID returns ErrMalformed unless id can be the id of a record: CheckID takes it, and it is neither a merge field
// that the CRM did not replace, such as ${Leads.Id}, {=Document:ID} or %ID%, nor a word for nothing, such as null.
func CheckRecordID(id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	if isMergeField(id) || isMergeField(Unescape(id)) {
		return fmt.Errorf("%w: the record id is a merge field that the CRM did not replace", ErrMalformed)
	}
	switch strings.ToLower(id) {
	case "null", "undefined", "none", "nan":
		return fmt.Errorf("%w: the record id is a word for nothing, such as null", ErrMalformed)
	}
	return nil
}

// bracedGUID is an id in braces that is not a merge field.
var bracedGUID = regexp.MustCompile(`^\{[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}\}$`)

// wrapped are the signs between which a merge field stands alone.
var wrapped = [][2]string{{"%", "%"}, {"#", "#"}, {"[", "]"}, {"<", ">"}}

// isMergeField reports whether text holds a merge field. Most have braces (${…}, {=…}, {{…}}), which no id has.
func isMergeField(text string) bool {
	if strings.ContainsAny(text, "{}") {
		return !bracedGUID.MatchString(text)
	}
	for _, signs := range wrapped {
		if len(text) > 2*len(signs[0]) && strings.HasPrefix(text, signs[0]) && strings.HasSuffix(text, signs[1]) {
			return true
		}
	}
	return false
}
