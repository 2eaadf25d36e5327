package transform

import (
	"encoding/json"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Masks are the fields whose values no event, record or quarantined callback shows. A nil Masks masks nothing.
type Masks struct {
	drop, hash ingest.Fields
	key        []byte
	identity   map[string]bool
}

// NewMasks returns masks that remove the fields in drop, and replace the values of those in hash by an HMAC-SHA256 under key; nil if there
// are none. A field that is in both is removed. identity are members of records that are never masked, because they are part of its id.
func NewMasks(drop, hash ingest.Fields, key string, identity ...string) *Masks {
	if len(drop)+len(hash) == 0 {
		return nil
	}
	m := &Masks{drop, hash, []byte(key), map[string]bool{"id": true}}
	for _, name := range identity {
		m.identity[strings.ToLower(name)] = true
	}
	return m
}

// of returns the fields to mask of a provider's module; nil: none. An unknown module, "*", has those of all modules.
func (m *Masks) of(provider, module string) *fieldSet {
	if m == nil {
		return nil
	}
	set := &fieldSet{key: m.key, identity: m.identity, drop: map[string]bool{}, hash: map[string]bool{}}
	add := func(names map[string]bool, fields ingest.Fields) {
		for _, field := range fields {
			if isFor(field.Provider, provider) && (module == anyName || isFor(field.Module, module)) {
				name := strings.ToLower(field.Name)
				names[name], names[name[strings.LastIndexByte(name, '.')+1:]] = true, true // a part of a field is named so where it stands
			}
		}
	}
	add(set.drop, m.drop)
	add(set.hash, m.hash)
	if len(set.drop)+len(set.hash) == 0 {
		return nil
	}
	return set
}

func isFor(pattern, name string) bool { return pattern == anyName || strings.EqualFold(pattern, name) }

// change returns a change without what is masked.
func (m *Masks) change(c ingest.Change) (ingest.Change, error) {
	set := m.of(c.Provider, c.Module)
	if set == nil {
		return c, nil
	}
	var err error
	c.Values, err = set.objects(c.Values, err)
	c.Previous, err = set.objects(c.Previous, err)
	c.NativeBody, err = set.body(c.NativeBody, err)
	c.NativeQuery, err = set.body(c.NativeQuery, err)
	c.NativeXML, err = set.body(c.NativeXML, err)
	c.Fields = set.names(c.Fields)
	return c, err
}

// objects masks JSON objects by record id.
func (s *fieldSet) objects(all map[string]json.RawMessage, err error) (map[string]json.RawMessage, error) {
	if err != nil || all == nil {
		return all, err
	}
	masked := make(map[string]json.RawMessage, len(all))
	for id, values := range all {
		if masked[id], err = s.json(values, false); err != nil {
			return nil, err
		}
	}
	return masked, nil
}

// body masks what a CRM sent. Where every field is masked nothing is left of it, for it may hold fields anywhere.
func (s *fieldSet) body(raw json.RawMessage, err error) (json.RawMessage, error) {
	switch {
	case err != nil || len(raw) == 0:
		return raw, err
	case raw[0] == '"': // text, in which fields cannot be told apart
		return json.RawMessage(`""`), nil
	case !s.hides():
		return s.json(raw, true)
	case raw[0] == '[':
		return json.RawMessage("[]"), nil
	case raw[0] == '{':
		return json.RawMessage("{}"), nil
	}
	return json.RawMessage(`""`), nil
}

// names removes dropped fields from the names of changed ones.
func (s *fieldSet) names(all map[string][]string) map[string][]string {
	if all == nil {
		return nil
	}
	kept := make(map[string][]string, len(all))
	for id, names := range all {
		kept[id] = make([]string, 0, len(names))
		for _, name := range names {
			if !s.dropped(name) {
				kept[id] = append(kept[id], name)
			}
		}
	}
	return kept
}
