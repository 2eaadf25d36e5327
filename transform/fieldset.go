package transform

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// anyName is the word for every provider, module or field.
const anyName = "*"

// fieldSet are the fields to mask of one module, in lower case.
type fieldSet struct {
	key        []byte
	drop, hash map[string]bool
	identity   map[string]bool // names that are never masked
}

// dropped reports whether a member, or the last step of a form's name such as data[FIELDS][PHONE], is to be removed.
func (s *fieldSet) dropped(name string) bool { return s.in(s.drop, name) }

func (s *fieldSet) hashed(name string) bool { return s.in(s.hash, name) }

func (s *fieldSet) in(names map[string]bool, name string) bool {
	if len(names) == 0 {
		return false
	}
	name = strings.ToLower(strings.TrimSpace(name))
	if s.identity[name] {
		return false
	}
	if local := name[strings.LastIndexAny(name, "@:.")+1:]; names[local] { // an attribute, a name in a namespace, a part of another field
		return true
	}
	if names[name] || names[anyName] {
		return true
	}
	for strings.HasSuffix(name, "]") { // also where a list stands in the field: data[FIELDS][PHONE][0][VALUE]
		at := strings.LastIndexByte(name, '[')
		if at < 0 {
			return false
		}
		if names[strings.Trim(name[at:], "[]")] {
			return true
		}
		name = name[:at]
	}
	return names[name]
}

// hides reports whether every field is masked.
func (s *fieldSet) hides() bool { return s.drop[anyName] || s.hash[anyName] }

// hashPrefix begins a value that was replaced, so that a callback from quarantine is not hashed twice.
const hashPrefix = "hmac-sha256:"

// hashOf returns what stands in place of a value: of a string the HMAC of its text, of any other value that of its JSON. null stays null.
func (s *fieldSet) hashOf(raw json.RawMessage) json.RawMessage {
	text, isText := jsontext.StringOf(raw)
	switch {
	case string(raw) == "null":
		return raw
	case !isText:
		text = string(raw)
	}
	return jsontext.Quote(s.again(text))
}

// again returns the HMAC of a text; a text that is one stays.
func (s *fieldSet) again(text string) string {
	if len(text) == len(hashPrefix)+43 && strings.HasPrefix(text, hashPrefix) {
		return text
	}
	sum := hmac.New(sha256.New, s.key)
	sum.Write([]byte(text))
	return hashPrefix + base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}
