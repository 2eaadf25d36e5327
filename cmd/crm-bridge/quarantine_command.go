package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

func quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Inspect, retry or delete callbacks that could not be parsed",
		Long: `Inspect, retry or delete authenticated callbacks that could not be parsed. They are kept for 30 days, without their secrets.
Events that your own NATS rejects permanently are listed too, with the source "refused". The command asks the running bridge at
BRIDGE_ADMIN_LISTEN.`,
		Example: `  crm-bridge quarantine list
  crm-bridge quarantine show 01a1ffde-8fdb-7008-af5e-7d4c579dc0de
  crm-bridge quarantine redrive --all --dry-run`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%w: use list, show, redrive or drop", terminal.ErrUsage)
		},
	}
	cmd.AddCommand(quarantineList(), quarantineShow(),
		quarantineEach("redrive", "Decode callbacks again and publish their events", printRedriven),
		quarantineEach("drop", "Remove callbacks permanently", printDropped))
	return cmd
}

func quarantineList() *cobra.Command {
	var account string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List quarantine, oldest first", Example: "  crm-bridge quarantine list\n  crm-bridge quarantine list --account emea", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := accountQuery(account)
			query.Set("all", "true")
			return askAdmin(cmd, http.MethodGet, "/quarantine", query, asJSON, quarantineEmpty, func(out io.Writer, line []byte) error {
				var one quarantine.Listed
				if err := json.Unmarshal(line, &one); err != nil {
					return err
				}
				terminal.Say(out, "%s  %s  %-20s %s  %7d bytes  %s\n", terminal.Visible(one.ID), one.ReceivedAt.Local().Format("2006-01-02 15:04:05"), terminal.Visible(one.Source), terminal.Visible(cmp.Or(one.Account, "-")), one.Bytes, terminal.Visible(one.Reason))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "only what is of this account")
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	completeFlags(cmd, map[string]completer{"account": completeAccounts})
	return cmd
}

func quarantineShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one callback whole, without its secrets", Example: "  crm-bridge quarantine show 01a1ffde-8fdb-7008-af5e-7d4c579dc0de",
		Args: cobra.MatchAll(atMostOneArg, oneArg), ValidArgsFunction: completeWith(completeQuarantined),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askAdmin(cmd, http.MethodGet, "/quarantine/show", url.Values{"id": args}, false, quarantineEmpty, func(out io.Writer, line []byte) error {
				var pretty bytes.Buffer
				if err := json.Indent(&pretty, line, "", "  "); err != nil {
					return err
				}
				terminal.Say(out, "%s\n", terminal.VisibleJSON(pretty.Bytes()))
				return nil
			})
		},
	}
}

func oneArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("%w: %s takes the id of a callback, as quarantine list prints it", terminal.ErrUsage, cmd.CommandPath())
	}
	return nil
}

// quarantineEach is a command that does something to one callback, or to all.
func quarantineEach(name, short string, show func(io.Writer, []byte) error) *cobra.Command {
	var all, dryRun, asJSON bool
	var account string
	cmd := &cobra.Command{
		Use: name + " [ID]", Short: short, Example: "  crm-bridge quarantine " + name + " 01a1ffde-8fdb-7008-af5e-7d4c579dc0de\n  crm-bridge quarantine " + name + " --all",
		Args: atMostOneArg, ValidArgsFunction: completeWith(completeQuarantined),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) || len(args) == 1 && args[0] == "" {
				return fmt.Errorf("%w: give the id of a callback, or --all", terminal.ErrUsage)
			}
			if account != "" && !all {
				return fmt.Errorf("%w: --account belongs to --all", terminal.ErrUsage)
			}
			query := accountQuery(account)
			query.Set("all", "true")
			if len(args) == 1 {
				query = url.Values{"id": args}
			}
			if dryRun {
				query.Set("dry-run", "true")
			}
			return askAdmin(cmd, http.MethodPost, "/quarantine/"+name, query, asJSON, quarantineEmpty, show)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every callback in quarantine")
	cmd.Flags().StringVar(&account, "account", "", "with --all: only what is of this account")
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON lines, also on a terminal")
	completeFlags(cmd, map[string]completer{"account": completeAccounts})
	if name == "redrive" {
		cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would happen")
	}
	return cmd
}

func printRedriven(out io.Writer, line []byte) error {
	var one quarantine.Redriven
	if err := json.Unmarshal(line, &one); err != nil {
		return err
	}
	switch {
	case one.Error != "":
		terminal.Say(out, "%s  stays: %s\n", one.ID, terminal.Visible(one.Error))
	case len(one.Events) == 0:
		terminal.Say(out, "%s  needs no event\n", one.ID)
	}
	for _, ack := range one.Events {
		if one.DryRun {
			terminal.Say(out, "%s  would be published on %s\n", one.ID, terminal.Visible(ack.Subject))
		} else {
			terminal.Say(out, "%s  published on %s  stream %s sequence %d  id %s\n", one.ID, terminal.Visible(ack.Subject), ack.Stream, ack.Sequence, ack.ID)
		}
	}
	return nil
}

func printDropped(out io.Writer, line []byte) error {
	var one quarantine.Dropped
	if err := json.Unmarshal(line, &one); err != nil {
		return err
	}
	if one.Error != "" {
		terminal.Say(out, "%s  stays: %s\n", one.ID, terminal.Visible(one.Error))
	} else {
		terminal.Say(out, "%s  dropped\n", one.ID)
	}
	return nil
}

const quarantineEmpty = "quarantine is empty"
