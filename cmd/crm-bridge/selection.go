package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// selection is which events of a stream a command is about, beyond what the server can tell by their subjects.
type selection struct {
	record string // an id of the event's records; empty: any
	origin string // live, backfill or repair; empty: any
}

// plainID is an id that no JSON writes in another way.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (s *selection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.record, "record", "", "only events about the record with this id")
	cmd.Flags().StringVar(&s.origin, "origin", "", "only events that came this way: live, backfill or repair")
}

func (s *selection) check() error {
	if s.origin != "" && !config.OneOf(s.origin, string(ingest.Live), string(ingest.Backfill), string(ingest.Repair)) {
		return fmt.Errorf("%w: --origin must be live, backfill or repair", errUsage)
	}
	return nil
}

// matches reports whether a message is one of the selected. What is no event is selected only where everything is.
func (s *selection) matches(m publish.Stored) bool {
	if s.record == "" && s.origin == "" {
		return true
	}
	if plainID.MatchString(s.record) && !bytes.Contains(m.Data, []byte(s.record)) {
		return false // before anything is decoded: most are not about this record
	}
	e, err := m.Event()
	if err != nil || s.origin != "" && e.Extensions()["crmorigin"] != s.origin {
		return false
	}
	var data struct{ IDs []string }
	return s.record == "" || json.Unmarshal(e.Data(), &data) == nil && slices.Contains(data.IDs, s.record)
}
