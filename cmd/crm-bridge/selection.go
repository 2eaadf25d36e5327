package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

func selectionFlags(cmd *cobra.Command, s *replay.Selection) {
	cmd.Flags().StringVar(&s.Record, "record", "", "only events about the record with this id")
	cmd.Flags().StringVar(&s.Account, "account", "", "only events of this account (crmaccount)")
	cmd.Flags().StringVar(&s.Origin, "origin", "", "only events of this origin: live, backfill or repair")
	completeFlags(cmd, map[string]completer{"account": completeAccounts, "origin": completeOrigins})
}

func checkSelection(s replay.Selection) error {
	if s.Origin != "" && !config.OneOf(s.Origin, string(ingest.Live), string(ingest.Backfill), string(ingest.Repair)) {
		return fmt.Errorf("%w: --origin must be live, backfill or repair", terminal.ErrUsage)
	}
	return nil
}

// accountQuery is a query of the admin address that is limited to an account; empty: it is not.
func accountQuery(account string) url.Values {
	query := url.Values{}
	if account != "" {
		query.Set("account", account)
	}
	return query
}
