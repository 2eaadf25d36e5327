package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish/erase"
)

// erasing is what the command erase is called with.
type erasing struct {
	account                      string
	dryRun, yes, foreign, asJSON bool
}

func eraseCommand() *cobra.Command {
	var e erasing
	cmd := &cobra.Command{
		Use:   "erase PROVIDER MODULE ID",
		Short: "Erase a record from all streams permanently",
		Long: `Erase a record of a CRM from every stream of the bridge: its events, its states, its replayed events, quarantined callbacks
that name it, and events that are not forwarded yet. The server overwrites the messages on the disk. An event that names other
records too is erased whole. The command asks the running bridge at BRIDGE_ADMIN_LISTEN. If it is interrupted, run it again.

Copies elsewhere stay: backups, what consumers have stored, and the record in the CRM. Delete it there first, or its next change is
stored again.`,
		Example:           bridge.Known().Example("  crm-bridge erase PROVIDER MODULE 5725767000003000010 --dry-run\n  crm-bridge erase PROVIDER MODULE 5725767000003000010 --account emea"),
		ValidArgsFunction: completeWith(completeProviders(bridge.Known(), completeModules)),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 3 || args[0] == "" || args[1] == "" || args[2] == "" {
				return fmt.Errorf("%w: %s takes a provider, a module and the id of a record", terminal.ErrUsage, cmd.CommandPath())
			}
			if bridge.Known().CRM(args[0]) == nil {
				return fmt.Errorf("%w: there is no provider %q; there are %s", terminal.ErrUsage, args[0], bridge.Enumerate(bridge.Known().Providers(), "and"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd, args[0], args[1], args[2]) },
	}
	cmd.Flags().StringVar(&e.account, "account", "", "whose record it is; required if several accounts have one of this id")
	cmd.Flags().BoolVar(&e.dryRun, "dry-run", false, "only count what would be erased")
	cmd.Flags().BoolVar(&e.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&e.foreign, "foreign", false, "erase in streams that the bridge did not create, too")
	cmd.Flags().BoolVar(&e.asJSON, "json", false, "JSON lines, also on a terminal")
	completeFlags(cmd, map[string]completer{"account": completeAccounts})
	return cmd
}

func (e erasing) run(cmd *cobra.Command, provider, module, id string) error {
	query := accountQuery(e.account)
	query.Set("provider", provider)
	query.Set("module", module)
	query.Set("id", id)
	if e.foreign {
		query.Set("foreign", "true")
	}
	if !e.dryRun && !e.yes {
		if err := canAsk(cmd, "erasing is permanent: add --yes, or --dry-run to count"); err != nil {
			return err
		}
		would, err := e.ask(cmd, query, true)
		if err != nil {
			return err
		}
		printFound(cmd.ErrOrStderr(), would, "would be erased")
		question := fmt.Sprintf("Erase %s %s %s permanently?", terminal.Visible(provider), terminal.Visible(module), terminal.Visible(id))
		if err := confirm(cmd, question, "nothing was erased"); err != nil {
			return err
		}
	}
	found, err := e.ask(cmd, query, e.dryRun)
	if e.asJSON || !terminal.IsTerminal(cmd.OutOrStdout()) {
		for _, one := range found {
			if err := terminal.JSONEncoder(cmd.OutOrStdout()).Encode(one); err != nil {
				return err
			}
		}
		return err
	}
	done := "erased"
	if e.dryRun {
		done = "would be erased"
	}
	printFound(cmd.OutOrStdout(), found, done)
	return err
}

// ask has the running bridge erase a record, or with a dry run count, and returns what it has found in each stream. It shows progress.
func (e erasing) ask(cmd *cobra.Command, query url.Values, dryRun bool) (found []erase.Found, err error) {
	query.Set("dry-run", fmt.Sprint(dryRun))
	progress, was := terminal.NewProgress(cmd.ErrOrStderr(), "messages"), bridge.EraseProgress{}
	err = adminLines(cmd, http.MethodPost, "/erase", query, func(line json.RawMessage) error {
		var one struct {
			bridge.EraseProgress
			erase.Found
			Error string
		}
		if err := json.Unmarshal(line, &one); err != nil {
			return err
		}
		switch {
		case one.Error != "":
			return errors.New(one.Error)
		case one.Reading == "":
			found = append(found, one.Found)
			return nil
		case one.Reading != was.Reading:
			progress.End(was.Done, was.Part)
			progress = terminal.NewProgress(cmd.ErrOrStderr(), "messages of "+terminal.Visible(one.Reading))
		}
		was = one.EraseProgress
		progress.Show(was.Done, was.Part)
		return nil
	})
	progress.End(was.Done, was.Part)
	return found, err
}

// printFound prints a table by stream, for a person.
func printFound(out io.Writer, all []erase.Found, done string) {
	table, sum := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), 0
	terminal.Say(table, "stream\t%s\twith other records\tby text\n", done)
	for _, one := range all {
		note := ""
		if one.Foreign {
			note = "\tnot created by crm-bridge"
		}
		terminal.Say(table, "%s\t%d\t%d\t%d%s\n", terminal.Visible(one.Stream), one.Deleted, one.WithOthers, one.InText, note)
		sum += one.Deleted
	}
	_ = table.Flush()
	if sum == 0 {
		terminal.Say(out, "no message names this record: check the spelling of the module and the id\n")
	}
}
