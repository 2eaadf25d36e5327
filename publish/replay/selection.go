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
	Record  string // an id of the event's records; empty: any
	Account string // crmaccount; empty: any
	Origin  string // crmorigin; empty: any
}

// plainID is an id that no JSON writes in another way.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Matches reports whether a message is selected. What is not an event is selected only where everything is.
func (s Selection) Matches(m publish.Stored) bool {
	if s == (Selection{}) {
		return true
	}
	if plainID.MatchString(s.Record) && !bytes.Contains(m.Data, []byte(s.Record)) {
		return false // before anything is decoded: most are not about this record
	}
	e, err := m.Event()
	if err != nil || s.Origin != "" && e.Extensions()["crmorigin"] != s.Origin || s.Account != "" && e.Extensions()["crmaccount"] != s.Account {
		return false
	}
	var data struct{ IDs []string }
	return s.Record == "" || json.Unmarshal(e.Data(), &data) == nil && slices.Contains(data.IDs, s.Record)
}
