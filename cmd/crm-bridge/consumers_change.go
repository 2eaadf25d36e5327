package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// consumerArg checks that a command is called with the name of one consumer.
func consumerArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("%w: %s takes the name of one consumer, as crm-bridge consumers prints it", terminal.ErrUsage, cmd.CommandPath())
	}
	return nil
}

// consumerChange is what the commands that change a consumer have in common.
type consumerChange struct {
	stream string
	asJSON bool
}

// command returns a command that does something to the consumer that its argument names.
func (c *consumerChange) command(word, short, long, example string, do func(cmd *cobra.Command, name string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: word + " NAME", Short: short, Long: long, Example: example, Args: consumerArg, ValidArgsFunction: completeWith(completeConsumers),
		RunE: func(cmd *cobra.Command, args []string) error { return do(cmd, args[0]) },
	}
	streamFlag(cmd, &c.stream, "the stream of the consumer, where several have one of that name")
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "JSON lines, also on a terminal")
	return cmd
}

// ask asks the bridge for a change, and shows the consumer as it is then.
func (c *consumerChange) ask(cmd *cobra.Command, word, name, key, value string) error {
	query := consumerQuery(c.stream, name)
	if key != "" {
		query.Set(key, value)
	}
	table := tableOf[consumers.Consumer]{heading: consumerHeading, row: consumerRow}
	err := askAdmin(cmd, http.MethodPost, "/consumers/"+word, query, c.asJSON, "", table.add)
	return cmp.Or(table.print(cmd.OutOrStdout()), err)
}

func consumersPause() *cobra.Command {
	var c consumerChange
	var span config.Duration
	var until string
	cmd := c.command("pause", "Send a consumer nothing for a while", `Send a consumer nothing for a while. What it holds already it may still acknowledge. Its events wait in the stream, whose oldest
ones may expire meanwhile. NATS 2.11 or later can do this.`,
		"  crm-bridge consumers pause billing --for 1h\n  crm-bridge consumers pause billing --until 2026-11-01T06:00:00Z",
		func(cmd *cobra.Command, name string) error {
			end, err := pauseEnd(time.Duration(span), until, time.Now())
			if err != nil {
				return err
			}
			return c.ask(cmd, "pause", name, "until", end.UTC().Format(time.RFC3339Nano))
		})
	cmd.Flags().Var(&spanFlag{&span}, "for", "for this long, such as 1h or 2d")
	cmd.Flags().StringVar(&until, "until", "", "until: RFC 3339, or a date")
	return cmd
}

// spanFlag is a span of time as a flag.
type spanFlag struct{ *config.Duration }

func (f *spanFlag) Set(text string) error { return f.Decode(text) }
func (f *spanFlag) Type() string          { return "span" }
func (f *spanFlag) String() string {
	if f.Duration == nil || *f.Duration == 0 {
		return ""
	}
	return time.Duration(*f.Duration).String()
}

// pauseEnd returns when a pause ends.
func pauseEnd(span time.Duration, until string, now time.Time) (end time.Time, err error) {
	switch {
	case (span > 0) == (until != ""):
		return end, fmt.Errorf("%w: give either --for or --until", terminal.ErrUsage)
	case span > 0:
		return now.Add(span), nil
	}
	if end, err = config.ParseWhen(until, now); err != nil || !end.After(now) {
		return end, fmt.Errorf("%w: --until must be a time to come: RFC 3339 (2026-11-01T12:00:00Z) or a date (2026-11-01)", terminal.ErrUsage)
	}
	return end, nil
}

func consumersResume() *cobra.Command {
	var c consumerChange
	return c.command("resume", "End the pause of a consumer", "End the pause of a consumer.", "  crm-bridge consumers resume billing",
		func(cmd *cobra.Command, name string) error { return c.ask(cmd, "resume", name, "", "") })
}

func consumersReset() *cobra.Command {
	var c consumerChange
	var to string
	var yes bool
	cmd := c.command("reset", "Make a consumer read again from a place, or skip", `Make a consumer read again from a place in its stream, or skip what is before it. What it has not acknowledged is forgotten; its
configuration stays. A consumer cannot be reset to before its configured start, and one whose deliver policy is new or last
not at all. NATS 2.14 or later can do this.`,
		"  crm-bridge consumers reset billing --to first\n  crm-bridge consumers reset billing --to 48121\n  crm-bridge consumers reset billing --to 36h --yes",
		func(cmd *cobra.Command, name string) error {
			place, err := resetPlace(to, time.Now())
			if err != nil {
				return err
			}
			if !yes {
				if err := c.confirmReset(cmd, name, to); err != nil {
					return err
				}
			}
			return c.ask(cmd, "reset", name, "to", place)
		})
	cmd.Flags().StringVar(&to, "to", "", "first, a sequence of the stream, or a time: RFC 3339, a date, or a span back from now")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// resetPlace returns where a consumer is reset to, as the bridge reads it.
func resetPlace(to string, now time.Time) (string, error) {
	if to == "" {
		return "", fmt.Errorf("%w: --to says where: first, a sequence of the stream, or a time", terminal.ErrUsage)
	}
	if sequence, err := strconv.ParseUint(to, 10, 64); to == "first" || err == nil && sequence > 0 {
		return to, nil
	}
	at, err := config.ParseWhen(to, now)
	if err != nil {
		return "", fmt.Errorf("%w: --to must be first, a sequence of the stream from 1 on, or a time: RFC 3339, a date, or a span back from now", terminal.ErrUsage)
	}
	return at.UTC().Format(time.RFC3339Nano), nil
}

// confirmReset asks whether a consumer should be reset.
func (c *consumerChange) confirmReset(cmd *cobra.Command, name, to string) error {
	if err := canAsk(cmd, "a reset makes the consumer read events again, or skip some: add --yes"); err != nil {
		return err
	}
	table := tableOf[consumers.Consumer]{heading: consumerHeading, row: consumerRow}
	if err := adminLines(cmd, http.MethodGet, "/consumers", consumerQuery(c.stream, name), func(line json.RawMessage) error {
		return errors.Join(lineOf(line, new(consumers.Consumer)), table.add(nil, line))
	}); err != nil {
		return err
	}
	if err := table.print(cmd.ErrOrStderr()); err != nil {
		return err
	}
	return confirm(cmd, fmt.Sprintf("Reset %s to %s?", terminal.Visible(name), terminal.Visible(to)), "nothing was reset")
}
