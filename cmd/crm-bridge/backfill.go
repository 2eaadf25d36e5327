package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
)

func backfillCommand() *cobra.Command {
	var module, entity, account, since, until string
	var dryRun, again, asJSON bool
	cmd := &cobra.Command{
		Use:   "backfill PROVIDER",
		Short: "Publish earlier changes from the CRM's records",
		Long: `Read from the CRM's API which records of a module changed, and publish them on the subjects of live events, with the attribute
crmorigin=backfill.

A time range is backfilled only once, even if a later run asks for it again: the output then says when it was read. With --again
it is read from the CRM once more, and events that the stream no longer holds are published again under the same ids; those
that it holds are not duplicated. After an interruption run the same command to resume.

Times are whole seconds. Without --until the command waits until the current second is over, and reads it too.`,
		Example: bridge.Known().Example(`  crm-bridge backfill PROVIDER --module MODULE --since 2026-11-01
  crm-bridge backfill PROVIDER --module MODULE --since 2026-11-01 --again
  crm-bridge backfill PROVIDER --module MODULE --since 7d --until 1d --dry-run`),
		ValidArgsFunction: completeWith(completeProviders(bridge.Known().Callable(), nil)),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || bridge.Known().Callable().CRM(args[0]) == nil {
				return fmt.Errorf("%w: %s takes one provider: %s", terminal.ErrUsage, cmd.CommandPath(), bridge.Enumerate(bridge.Known().Callable().Providers(), "or"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if module == "" && entity != "" {
				module = moduleOf(args[0], entity)
			}
			if module == "" || since == "" {
				return fmt.Errorf("%w: --module (or --entity) and --since are needed", terminal.ErrUsage)
			}
			asked, err := parsePeriod(since, until, time.Now())
			if err != nil {
				return err
			}
			return runBackfill(cmd, args[0], account, module, asked, again, dryRun, asJSON)
		},
	}
	cmd.Flags().StringVar(&module, "module", "", "module as the CRM's API writes it, such as "+bridge.Known()[0].Words.Module)
	cmd.Flags().StringVar(&entity, "entity", "", "the module in lower case; capitalized where the CRM's modules are")
	cmd.Flags().StringVar(&account, "account", "", "only this account: an org's name, or the CRM's id of an account (default: all that are configured)")
	cmd.Flags().StringVar(&since, "since", "", "from when: RFC 3339, a date, or a span back from now (36h, 7d)")
	cmd.Flags().StringVar(&until, "until", "", "until when; empty: now")
	cmd.Flags().BoolVar(&again, "again", false, "read the range even if it was read before, and publish what the stream does not hold")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "read and count, but publish nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the result as JSON, also on a terminal")
	completeFlags(cmd, map[string]completer{"module": completeModules, "account": completeAccounts})
	return cmd
}

// moduleOf returns the module of an entity in lower case: deal is the module Deal, unless the modules of the CRM are in lower case.
func moduleOf(provider, entity string) string {
	if example := bridge.Known().Callable().CRM(provider).Words.Module; example == strings.ToLower(example) {
		return entity
	}
	return strings.ToUpper(entity[:1]) + entity[1:]
}

// parsePeriod returns a period that begins before now, in whole seconds, as CRMs write times: it is widened to them. Its Until is zero where
// it ends now.
func parsePeriod(since, until string, now time.Time) (p keep.Period, err error) {
	if p.Since, err = config.ParseWhen(since, now); err != nil {
		return p, fmt.Errorf("%w: --since: %w", terminal.ErrUsage, err)
	}
	p.Until = now
	if until != "" {
		if p.Until, err = config.ParseWhen(until, now); err != nil {
			return p, fmt.Errorf("%w: --until: %w", terminal.ErrUsage, err)
		}
	}
	untilNow := !p.Until.Before(now) // what comes is live
	if untilNow {
		p.Until = now
	}
	whole := ingest.Query{Since: p.Since, Until: p.Until}.WholeSeconds()
	if p.Since, p.Until = whole.Since, whole.Until; !p.Since.Before(p.Until) {
		return p, fmt.Errorf("%w: --since must be before --until", terminal.ErrUsage)
	}
	if untilNow {
		p.Until = time.Time{}
	}
	return p, nil
}

func runBackfill(cmd *cobra.Command, provider, account, module string, asked keep.Period, again, dryRun, asJSON bool) error {
	b, closeAll, err := client.OpenBackfill(cmd.Context(), provider, account, module)
	if err != nil {
		return err
	}
	defer closeAll()
	b.Again, b.DryRun = again, dryRun
	bar := terminal.NewProgress(cmd.ErrOrStderr(), "records")
	b.Report = func(done keep.Backfilled) { bar.Show(done.Records, done.Part()) }
	b.LeftOut = func(err error) { bar.Say("left out: %s", err) }
	b.Comparing = func(module string) { bar.Say("reading which events of %s the stream holds", module) }
	b.ReadBefore = func(span keep.ReadSpan) { bar.Say("%s", client.ReadBefore(span)) }
	done, err := b.Run(cmd.Context(), asked)
	bar.End(done.Records, done.Part())
	if err != nil {
		if cmd.Context().Err() != nil {
			err = errors.New("interrupted: run the same command to resume")
		}
		return fmt.Errorf("backfill %s %s: %w", provider, module, err)
	}
	if asJSON || !terminal.IsTerminal(cmd.OutOrStdout()) {
		return terminal.JSONEncoder(cmd.OutOrStdout()).Encode(done)
	}
	what := "published"
	if dryRun {
		what = "would be published"
	}
	terminal.Say(cmd.OutOrStdout(), "%d records of %s read, %d events %s, %d already in the stream, %d left out\n", done.Records, module, done.Events, what, done.Duplicates, done.LeftOut)
	return nil
}
