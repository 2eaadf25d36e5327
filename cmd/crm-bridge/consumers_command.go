package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// consumersFlags are those of the command consumers.
type consumersFlags struct {
	stream                   string
	dead, clear, yes, asJSON bool
}

func consumersCommand() *cobra.Command {
	var f consumersFlags
	cmd := &cobra.Command{
		Use:   "consumers [NAME]",
		Short: "Show who reads the streams, and who is stuck",
		Long: `Show the consumers of the bridge's streams: how many events each has not been sent yet (lag), how many it was sent and has not
acknowledged, how many of these it was sent more than once, and when it last acknowledged one. With --dead, show the events
that consumers gave up on: sent as often as their max_deliver permits, or terminated by the consumer. They are kept for 30 days.
"crm-bridge replay --dead NAME" re-delivers them to that consumer alone. The command asks the running bridge at
BRIDGE_ADMIN_LISTEN.`,
		Example: `  crm-bridge consumers
  crm-bridge consumers --dead billing
  crm-bridge consumers pause billing --for 1h
  crm-bridge consumers reset billing --to 2026-11-01
  crm-bridge consumers --dead billing --clear`,
		Args:              atMostOneArg,
		ValidArgsFunction: completeWith(completeConsumers),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := strings.Join(args, "")
			switch {
			case len(args) == 1 && name == "":
				return fmt.Errorf("%w: the name of a consumer must not be empty", terminal.ErrUsage)
			case f.clear && (!f.dead || name == ""):
				return fmt.Errorf("%w: --clear needs --dead and the name of a consumer", terminal.ErrUsage)
			case f.yes && !f.clear:
				return fmt.Errorf("%w: --yes belongs to --clear", terminal.ErrUsage)
			case f.clear:
				return f.clearDead(cmd, name)
			case f.dead:
				return f.listDead(cmd, name)
			}
			return f.list(cmd, name)
		},
	}
	cmd.Flags().BoolVar(&f.dead, "dead", false, "the events that consumers gave up on")
	cmd.Flags().BoolVar(&f.clear, "clear", false, "with --dead: remove what is listed of a consumer from the list; its events stay")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "with --clear: do not ask")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "JSON lines, also on a terminal")
	streamFlag(cmd, &f.stream, "only of this stream")
	cmd.AddCommand(consumersPause(), consumersResume(), consumersReset())
	return cmd
}

// list shows consumers.
func (f consumersFlags) list(cmd *cobra.Command, name string) error {
	table := tableOf[consumers.Consumer]{heading: consumerHeading, row: consumerRow}
	err := askAdmin(cmd, http.MethodGet, "/consumers", consumerQuery(f.stream, name), f.asJSON, "the streams have no consumers", table.add)
	return cmp.Or(table.print(cmd.OutOrStdout()), err)
}

const nothingDead = "no consumer has given up on an event within 30 days"

// listDead shows what consumers gave up on.
func (f consumersFlags) listDead(cmd *cobra.Command, name string) error {
	table := tableOf[consumers.DeadLetter]{heading: deadHeading, row: deadRow}
	err := askAdmin(cmd, http.MethodGet, "/consumers/dead", consumerQuery(f.stream, name), f.asJSON, nothingDead, table.add)
	if err = cmp.Or(table.print(cmd.OutOrStdout()), err); err == nil && len(table.lines) == consumers.MaxDead {
		terminal.Say(cmd.ErrOrStderr(), "only the newest %d are shown; a replay brings all\n", consumers.MaxDead)
	}
	return err
}

const deadHeading = "STREAM\tCONSUMER\tSEQUENCE\tGAVE UP\tDELIVERIES\tREASON\tSUBJECT\tEVENT\tREPLAYED"

func deadRow(one consumers.DeadLetter) string {
	replayed := "-"
	if one.ReplayedAt != nil {
		replayed = one.ReplayedAt.Local().Format(time.DateTime)
	}
	text := fmt.Sprintf("%s\t%s\t%d\t%s\t%d", one.Stream, terminal.Visible(one.Consumer), one.Sequence, one.At.Local().Format(time.DateTime), one.Deliveries)
	for _, cell := range []string{one.Reason, cmp.Or(one.Subject, "left the stream"), cmp.Or(one.EventID, "-"), replayed} {
		text += "\t" + terminal.Visible(cell)
	}
	return text
}

// clearDead removes what a consumer gave up on from the list.
func (f consumersFlags) clearDead(cmd *cobra.Command, name string) error {
	query := consumerQuery(f.stream, name)
	var last time.Time
	err := adminLines(cmd, http.MethodGet, "/consumers/dead", query, func(line json.RawMessage) error {
		var one consumers.DeadLetter
		if err := lineOf(line, &one); err != nil {
			return err
		}
		if one.At.After(last) {
			last = one.At
		}
		return nil
	})
	if err != nil {
		return err
	}
	if last.IsZero() {
		terminal.Say(cmd.ErrOrStderr(), "consumer %s has no dead letters\n", terminal.Visible(name))
		return nil
	}
	query.Set("upto", last.Format(time.RFC3339Nano))
	if !f.yes {
		if err := canAsk(cmd, "what is cleared is not listed again: add --yes"); err != nil {
			return err
		}
		query.Set("dry-run", "true") // the list is of the newest ones alone
		var would bridge.Cleared
		if err := adminLines(cmd, http.MethodPost, "/consumers/dead/clear", query, func(line json.RawMessage) error { return lineOf(line, &would) }); err != nil {
			return err
		}
		query.Del("dry-run")
		question := fmt.Sprintf("Clear the list of %s: %d events, %d of them not replayed?", terminal.Visible(name), would.Cleared, would.NotReplayed)
		if err := confirm(cmd, question, "nothing was cleared"); err != nil {
			return err
		}
	}
	return askAdmin(cmd, http.MethodPost, "/consumers/dead/clear", query, f.asJSON, nothingDead, func(out io.Writer, line []byte) error {
		var one struct{ Cleared int }
		err := json.Unmarshal(line, &one)
		terminal.Say(out, "%d events cleared from the list of %s\n", one.Cleared, terminal.Visible(name))
		return err
	})
}
