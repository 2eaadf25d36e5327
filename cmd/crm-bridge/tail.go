package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// tailOptions are what tail was asked for.
type tailOptions struct {
	subjects     []string
	since        string
	json, pretty bool
	count        int
	selected     replay.Selection
	to           string // the URL of an endpoint; empty: events are only shown
	endpointFlags
}

func tailCommand() *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail [subject …]",
		Short: "Watch events as they arrive",
		Long: `Watch the events of the stream, live. A subject may hold the wildcards * (one token) and > (all that follow).
Waits for an unreachable server, then resumes, with each event once.
On a terminal an event is a line, coloured unless NO_COLOR is set; an id that does not fit is shortened, and whole in --json.

--to https://… also posts each event to an endpoint as CloudEvents over HTTP, for development: one at a time and in order, and
shows it when the endpoint has accepted it. No answer, 408, 425, 429 and 5xx are retried, with Retry-After observed; any other
status but 2xx ends the command, unless --skip-refused is given. Redirects are not followed. Nothing is remembered: --since resumes
it. In production use replay, or a consumer.`,
		Example: bridge.Known().Example(`  crm-bridge tail
  crm-bridge tail 'crm.PROVIDER.MODULE.*' 'crm.LAST.*' --since 36h
  crm-bridge tail --record 5725767000003000010 --origin repair --since 7d --pretty
  crm-bridge tail --since 2026-11-01 --json | jq .event.data
  crm-bridge tail 'crm.PROVIDER.>' --to http://localhost:3000/events --content-mode binary`),
		ValidArgsFunction: completeWith(completeSubjects),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.subjects = append(o.subjects, args...)
			return terminal.WhileRead(cmd.Context(), cmd.OutOrStdout(), func(ctx context.Context) error {
				return tail(ctx, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		},
	}
	cmd.Flags().StringSliceVar(&o.subjects, "subject", nil, "only events with this subject, like the arguments; may be given again")
	cmd.Flags().StringVar(&o.since, "since", "", "start at: RFC 3339, a date, or a span back from now (default: only new events)")
	cmd.Flags().BoolVar(&o.json, "json", false, "JSON lines, also on a terminal")
	cmd.Flags().BoolVar(&o.pretty, "pretty", false, "all of each event, as indented JSON")
	cmd.Flags().StringVar(&o.to, "to", "", "also post each event to the endpoint with this URL")
	o.add(cmd)
	cmd.Flags().IntVar(&o.count, "count", 0, "stop after this many events (default: never)")
	selectionFlags(cmd, &o.selected)
	completeFlags(cmd, map[string]completer{"subject": completeSubjects})
	return cmd
}

func (o *tailOptions) check() error {
	if o.json && o.pretty {
		return fmt.Errorf("%w: --json is one line an event, and --pretty many: choose one", terminal.ErrUsage)
	}
	if o.count < 0 {
		return fmt.Errorf("%w: --count must not be negative", terminal.ErrUsage)
	}
	for _, subject := range o.subjects {
		if !publish.IsFilter(subject) {
			return fmt.Errorf("%w: %q is not a subject: give tokens joined by dots, such as 'crm.*.Deals.*' or 'crm.>'", terminal.ErrUsage, subject)
		}
	}
	if o.to == "" && (o.headerFile != "" || o.contentMode != string(publish.Structured) || o.skipRefused) {
		return fmt.Errorf("%w: --header-file, --content-mode and --skip-refused belong to --to", terminal.ErrUsage)
	}
	return checkSelection(o.selected)
}

func tail(ctx context.Context, o tailOptions, out, progress io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	settings, _, err := client.Load(&config.Environment{})
	if err != nil {
		return err
	}
	follower := &publish.Follower{
		Reach:    func(ctx context.Context) (*publish.Conn, error) { return client.Reach(ctx, settings) },
		Stream:   settings.Stream,
		Subjects: o.subjects,
		Lost: func(why error) {
			terminal.Say(progress, "crm-bridge: %s; waiting\n", terminal.Visible(terminal.Plainly(why)))
		},
		Back: func(remark string) {
			terminal.Say(progress, "crm-bridge: %s\n", strings.TrimSuffix("back; "+terminal.Visible(remark), "; "))
		},
	}
	if len(o.subjects) == 0 {
		follower.Subjects = []string{settings.SubjectPrefix + ".>"}
	}
	if o.since != "" {
		if follower.Since, err = config.ParseWhen(o.since, time.Now()); err != nil {
			return fmt.Errorf("%w: --since: %w", terminal.ErrUsage, err)
		}
	}
	show := o.show(out)
	if o.to != "" {
		var endTraces func()
		if ctx, endTraces, err = traced(ctx, settings, progress); err != nil {
			return err
		}
		defer endTraces()
		post, err := openTailPost(ctx, &o.endpointFlags, o.to, show, progress)
		if err != nil {
			return err
		}
		defer post.end()
		show = func(e publish.Stored) error { return post.one(ctx, e) }
	}
	seen := 0
	err = follower.Follow(ctx, func(e publish.Stored) error {
		if !o.selected.Matches(e) {
			return nil
		}
		if err := show(e); errors.Is(err, errLeftOut) {
			return nil
		} else if err != nil {
			return err
		}
		if seen++; seen == o.count {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) || ctx.Err() != nil && errors.Is(err, context.Canceled) { // a signal is how it ends
		return nil
	}
	return err
}

// show returns how events are shown on out.
func (o *tailOptions) show(out io.Writer) func(publish.Stored) error {
	v := &terminal.View{Out: out, Colour: terminal.WantsColour(out)}
	switch {
	case o.pretty:
		return v.Pretty
	case o.json || !terminal.IsTerminal(out):
		return v.JSON
	}
	return v.Line
}
