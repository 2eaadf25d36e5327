package console

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
)

// eventRow is an event in a list.
type eventRow struct {
	Sequence                                               uint64
	At                                                     time.Time // when it was stored
	Subject, ID, Record, Provider, Module, Account, Origin string
	Problem                                                string // why it is not an event
}

func rowOf(stored publish.Stored) eventRow {
	row := eventRow{Sequence: stored.Sequence, At: stored.At, Subject: terminal.Visible(stored.Subject)}
	e, err := stored.Event()
	if err != nil {
		row.Problem = "Not an event"
		return row
	}
	row.ID, row.Record = terminal.Visible(e.ID()), terminal.Visible(recordOf(e))
	row.Provider, row.Module, row.Account, row.Origin = extension(e, "crmprovider"), extension(e, "crmmodule"), extension(e, "crmaccount"), extension(e, "crmorigin")
	return row
}

// extension returns an extension of an event as it may be shown; empty: it has none.
func extension(e event.Event, name string) string {
	if value, ok := e.Extensions()[name]; ok {
		return terminal.Visible(fmt.Sprint(value))
	}
	return ""
}

// recordOf returns the id of the event's record; of several the first.
func recordOf(e event.Event) string {
	if e.Subject() != "" {
		return e.Subject()
	}
	var data struct{ IDs []string }
	if json.Unmarshal(e.Data(), &data) != nil || len(data.IDs) == 0 {
		return ""
	}
	return data.IDs[0]
}
