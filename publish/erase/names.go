package erase

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Record names a record. An empty account is any.
type Record struct{ Provider, Account, Module, ID string }

// is reports whether the record is one of an account.
func (r Record) is(provider, account, module, id string) bool {
	return r.Provider == provider && r.Module == module && r.ID == id && (r.Account == "" || r.Account == account)
}

// Names knows how messages name records, beside what all events have in common. Set the fields once.
type Names struct {
	// RecordID returns the id of a record among those of its module, from its id and its values in an event; nil: it is the id in the event.
	RecordID func(module, id string, values json.RawMessage) string
	// Callback decodes a quarantined callback. ok is false if it cannot be decoded: then its text is searched.
	Callback func(body []byte) (Callback, bool)
	// Keep are operations whose events stay.
	Keep []string
}

// Callback is a quarantined callback.
type Callback struct {
	Provider, Account string   // Account is empty if it is not known
	Changes           []Record // the records of its changes; nil: it cannot be decoded, or they name none
	Text              [][]byte // of its body and of its parameters, if there are no Changes
}

// match is how a message names a record.
type match int

const (
	no         match = iota
	alone            // and no other
	withOthers       // and others
	inText           // in the text of a callback that cannot be decoded
)

// match returns how a message names a record, and the account of that, if it is known.
func (n Names) match(r Record, m publish.Stored) (match, string) {
	if m.IsCallback() {
		return n.callback(r, m.Data)
	}
	if strings.HasPrefix(m.Subject, advisory) {
		return gaveUp(r, m.Data), ""
	}
	if n.RecordID == nil && isToken(r.ID) && !bytes.Contains(m.Data, []byte(r.ID)) && !inHeader(m.Header, r.ID) {
		return no, ""
	}
	return n.event(r, m)
}

// advisory begins the subjects of what NATS says of a consumer.
const advisory = "$JS.EVENT.ADVISORY."

// gaveUp returns how the reason names a record for which a consumer gave up on a message: it is what the consumer wrote.
func gaveUp(r Record, body []byte) match {
	var of struct{ Reason string }
	if json.Unmarshal(body, &of) == nil && hasToken([]byte(of.Reason), r.ID) {
		return inText
	}
	return no
}

// inHeader reports whether a value of a header is a text, as the subject of an event in the binary mode is.
func inHeader(header map[string][]string, text string) bool {
	for _, values := range header {
		if slices.Contains(values, text) {
			return true
		}
	}
	return false
}

// named is what an event or a state says of its records.
type named struct {
	Subject   string
	Provider  string `json:"crmprovider"`
	Account   string `json:"crmaccount"`
	Module    string `json:"crmmodule"`
	Operation string `json:"crmoperation"`
	Data      struct {
		Provider, Account, Module string
		ID                        string // of a state
		IDs                       []string
		Values                    map[string]json.RawMessage
	}
}

func (n Names) event(r Record, m publish.Stored) (match, string) {
	text, err := m.JSON()
	if err != nil {
		return no, "" // not an event
	}
	var e named
	if err := json.Unmarshal(text, &e); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) { // data of another program has other types
		return no, ""
	}
	if slices.Contains(n.Keep, e.Operation) {
		return no, ""
	}
	ids, found := map[string]bool{}, no
	for _, id := range append(e.Data.IDs, e.Data.ID) {
		if id == "" {
			continue
		}
		if n.RecordID != nil && id != e.Data.ID {
			id = n.RecordID(e.Data.Module, id, e.Data.Values[id])
		}
		ids[id] = true
		if r.is(e.Data.Provider, e.Data.Account, e.Data.Module, id) {
			found = alone
		}
	}
	if (n.RecordID == nil || len(e.Data.IDs) == 0) && r.is(e.Provider, e.Account, e.Module, e.Subject) {
		found, e.Data.Account = alone, e.Account
	}
	if found == alone && len(ids) > 1 {
		found = withOthers
	}
	return found, e.Data.Account
}

func (n Names) callback(r Record, body []byte) (match, string) {
	callback, ok := n.Callback(body)
	if !ok || callback.Provider != r.Provider {
		return no, ""
	}
	if callback.Changes == nil {
		if r.Account != "" && callback.Account != "" && r.Account != callback.Account || !slices.ContainsFunc(callback.Text, func(text []byte) bool { return hasToken(text, r.ID) }) {
			return no, ""
		}
		return inText, ""
	}
	found, account := no, ""
	for _, one := range callback.Changes {
		if r.is(one.Provider, one.Account, one.Module, one.ID) {
			found, account = alone, one.Account
		}
	}
	if found == alone && slices.ContainsFunc(callback.Changes, func(one Record) bool { return !r.is(one.Provider, one.Account, one.Module, one.ID) }) {
		found = withOthers
	}
	return found, account
}

// isToken reports whether no writer of JSON escapes anything in a text.
func isToken(text string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII || !isWord(r) && r != '-' }) < 0
}

// hasToken reports whether a text has another one in it that neither follows nor precedes a letter, a digit or an underscore.
func hasToken(text []byte, token string) bool {
	for begin := 0; ; {
		at := bytes.Index(text[begin:], []byte(token))
		if at < 0 || token == "" {
			return false
		}
		at += begin
		before, _ := utf8.DecodeLastRune(text[:at])
		after, _ := utf8.DecodeRune(text[at+len(token):])
		if !isWord(before) && !isWord(after) {
			return true
		}
		begin = at + 1
	}
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
