package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
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
				var one bridge.Listed
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
	return cmd
}

func quarantineShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one callback whole, without its secrets", Example: "  crm-bridge quarantine show 01a1ffde-8fdb-7008-af5e-7d4c579dc0de",
		Args: cobra.MatchAll(atMostOneArg, oneArg),
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
		Args: atMostOneArg,
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
	if name == "redrive" {
		cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would happen")
	}
	return cmd
}

func printRedriven(out io.Writer, line []byte) error {
	var one bridge.Redriven
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
	var one bridge.Dropped
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

// askAdmin asks the running bridge at its admin address and shows each line of its answer, or none where it has no line; one that
// reports an error makes the command fail in the end.
func askAdmin(cmd *cobra.Command, method, path string, query url.Values, asJSON bool, none string, show func(io.Writer, []byte) error) error {
	settings, _, err := client.Load(&config.Environment{})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(cmd.Context(), method, "http://"+config.LocalAddress(settings.AdminListen)+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	token, err := datadir.ReadSecret(settings.DataDir, datadir.AdminSecret)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("BRIDGE_DATA_DIR: %w", err)
	}
	request.Header.Set(bridge.AdminHeader, cmp.Or(token, "local"))
	response, err := client.HTTP(nil).Do(request)
	if err != nil {
		return fmt.Errorf("no bridge answers at %s (BRIDGE_ADMIN_LISTEN): %w; start one with %s", config.LocalAddress(settings.AdminListen), errors.Unwrap(err), client.OwnCommand())
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusUnauthorized {
		used := filepath.Join(settings.DataDir, datadir.AdminSecret)
		if token == "" {
			used = "no token, for there is no " + used
		}
		return fmt.Errorf("the bridge at %s (BRIDGE_ADMIN_LISTEN) rejected the command, which was authenticated with %s: run it as the bridge's own user, with BRIDGE_DATA_DIR set to its folder", config.LocalAddress(settings.AdminListen), used)
	}

	asJSON = asJSON || !terminal.IsTerminal(cmd.OutOrStdout())
	decoder, failed := json.NewDecoder(response.Body), error(nil)
	for n := 0; ; n++ {
		var line json.RawMessage
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			if n == 0 && !asJSON {
				terminal.Say(cmd.OutOrStdout(), "%s\n", none)
			}
			return failed
		} else if err != nil {
			return fmt.Errorf("the bridge's answer was cut off: %w", err)
		}
		var problem struct{ ID, Error string }
		if json.Unmarshal(line, &problem) == nil && problem.Error != "" {
			if problem.ID == "" {
				return errors.New(problem.Error)
			}
			failed = terminal.ErrSilent
		}
		if asJSON {
			terminal.Say(cmd.OutOrStdout(), "%s\n", terminal.VisibleJSON(line))
		} else if err := show(cmd.OutOrStdout(), line); err != nil {
			return err
		}
	}
}
