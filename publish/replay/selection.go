package replay

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Selection selects events of a stream by what their subjects do not show.
type Selection struct {
	Event   string // its id; empty: any
	Record  string // an id of the event's records; empty: any
	Account string // crmaccount; empty: any
	Origin  string // crmorigin; empty: any
}

// plainID is an id that neither JSON nor a header writes in another way.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

// Matches reports whether a message is selected. What is not an event is selected only where everything is.
func (s Selection) Matches(m publish.Stored) bool {
	if s == (Selection{}) {
		return true
	}
	for _, text := range []string{s.Record, s.Event, s.Account} {
		if plainID.MatchString(text) && !mentions(m, text) {
			return false // before anything is decoded: most do not mention it
		}
	}
	e, err := m.Event()
	if err != nil || s.Event != "" && e.ID() != s.Event || s.Origin != "" && e.Extensions()["crmorigin"] != s.Origin || s.Account != "" && e.Extensions()["crmaccount"] != s.Account {
		return false
	}
	var data struct{ IDs []string }
	return s.Record == "" || json.Unmarshal(e.Data(), &data) == nil && slices.Contains(data.IDs, s.Record)
}

// mentions reports whether a text is in the message, or a header of it.
func mentions(m publish.Stored, text string) bool {
	if bytes.Contains(m.Data, []byte(text)) {
		return true
	}
	for _, values := range m.Header {
		if slices.Contains(values, text) {
			return true
		}
	}
	return false
}
