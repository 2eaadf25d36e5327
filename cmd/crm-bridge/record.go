package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/records"
)

func recordCommand() *cobra.Command {
	var account string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "record PROVIDER MODULE ID",
		Short: "Show a record as it is now, and its history",
		Long: `Show a record of a CRM from the stream <STREAM>_RECORDS: its fields as they are now, then each state that the stream has kept,
newest last: when, by whom, which fields changed, and the events that caused it. BRIDGE_RECORDS_HISTORY says how many states are
kept of each record. Values are shown as they are stored.

Piped or with --json a state is a line {"subject","sequence","storedAt","event"}, oldest first. The last one is the record now;
its data.after is null if the record is deleted.`,
		Example: bridge.Known().Example(`  crm-bridge record PROVIDER MODULE 5725767000003000010
  crm-bridge record PROVIDER MODULE 5725767000003000010 --account emea
  crm-bridge record PROVIDER MODULE 5725767000003000010 | tail -1 | jq .event.data.after`),
		Args:              recordArgs,
		ValidArgsFunction: completeWith(completeProviders(bridge.Known(), completeModules)),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := records.Key{Provider: args[0], Account: account, Module: args[1], ID: args[2]}
			return terminal.WhileRead(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context) error {
				return record(ctx, key, asJSON, cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "of this account, as events name it (crmaccount); required where the id exists in several")
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	completeFlags(cmd, map[string]completer{"account": completeAccounts})
	return cmd
}

// recordArgs checks the arguments PROVIDER MODULE ID.
func recordArgs(cmd *cobra.Command, args []string) error {
	if len(args) != 3 || args[2] == "" {
		return fmt.Errorf("%w: %s takes a provider, a module and the id of a record", terminal.ErrUsage, cmd.CommandPath())
	}
	if bridge.Known().CRM(args[0]) == nil {
		return fmt.Errorf("%w: there is no provider %q; there are %s", terminal.ErrUsage, args[0], bridge.Enumerate(bridge.Known().Providers(), "and"))
	}
	if ingest.CheckModule(args[1]) != nil {
		return fmt.Errorf("%w: %q is not the name of a module, as the CRM's API writes it", terminal.ErrUsage, args[1])
	}
	return nil
}

func record(ctx context.Context, key records.Key, asJSON bool, out io.Writer) error {
	settings, _, err := client.Load(&config.Environment{})
	if err != nil {
		return err
	}
	conn, err := client.Reach(ctx, settings)
	if err != nil {
		return err
	}
	defer conn.Close()
	states := &records.States{Conn: conn, Stream: settings.Stream, Table: settings.RecordsStream(), Prefix: settings.SubjectPrefix}
	accounts, err := states.Accounts(ctx, key)
	if err != nil {
		return err
	}
	switch {
	case len(accounts) == 0:
		return bridge.NoRecord(ctx, states, key)
	case key.Account == "" && len(accounts) > 1:
		return fmt.Errorf("%w: record %s exists in the accounts %s: choose one with --account", terminal.ErrUsage, key.ID, bridge.Enumerate(accounts, "and"))
	case key.Account == "":
		key.Account = accounts[0]
	case !slices.Contains(accounts, key.Account):
		return fmt.Errorf("account %s has no record %s; it exists in %s", key.Account, key.ID, bridge.Enumerate(accounts, "and"))
	}
	history, err := states.History(ctx, key)
	if err != nil {
		return err
	}
	if len(history) == 0 { // it was erased meanwhile
		return bridge.NoRecord(ctx, states, key)
	}
	view := &terminal.View{Out: out, Colour: terminal.WantsColour(out)}
	if !asJSON && terminal.IsTerminal(out) {
		return view.Record(history)
	}
	for _, state := range history {
		if err := view.JSON(state); err != nil {
			return err
		}
	}
	return nil
}
