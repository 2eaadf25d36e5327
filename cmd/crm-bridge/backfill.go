package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

func backfillCommand() *cobra.Command {
	var module, entity, since, until string
	var dryRun, again, asJSON bool
	cmd := &cobra.Command{
		Use:   "backfill PROVIDER",
		Short: "Publish earlier changes from the CRM's records",
		Long: `Read from the CRM's API which records of a module changed, and publish them on the subjects of live events, with the attribute
crmorigin=backfill.

A time range is backfilled only once, even if a later run asks for it again: the output then says when it was read. With --again
it is read from the CRM once more, and events that the stream no longer holds are published again under the same ids; those
that it holds are not duplicated. After an interruption run the same command to resume.`,
		Example: known().example(`  crm-bridge backfill PROVIDER --module MODULE --since 2026-11-01
  crm-bridge backfill PROVIDER --module MODULE --since 2026-11-01 --again
  crm-bridge backfill PROVIDER --module MODULE --since 7d --until 1d --dry-run`),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || known().callable().crm(args[0]) == nil {
				return fmt.Errorf("%w: %s takes one provider: %s", errUsage, cmd.CommandPath(), enumerate(known().callable().providers(), "or"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if module == "" && entity != "" {
				module = strings.ToUpper(entity[:1]) + entity[1:] // deal is the module Deal
			}
			if module == "" || since == "" {
				return fmt.Errorf("%w: --module (or --entity) and --since are needed", errUsage)
			}
			asked, err := parsePeriod(since, until, time.Now())
			if err != nil {
				return err
			}
			return runBackfill(cmd, args[0], module, asked, again, dryRun, asJSON)
		},
	}
	cmd.Flags().StringVar(&module, "module", "", "module as the CRM's API writes it, such as "+known()[0].Words.Module)
	cmd.Flags().StringVar(&entity, "entity", "", "the module in lower case; its first letter is capitalized")
	cmd.Flags().StringVar(&since, "since", "", "from when: RFC 3339, a date, or a span back from now (36h, 7d)")
	cmd.Flags().StringVar(&until, "until", "", "until when; empty: now")
	cmd.Flags().BoolVar(&again, "again", false, "read the range even if it was read before, and publish what the stream does not hold")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "read and count, but publish nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the result as JSON, also on a terminal")
	return cmd
}

func parsePeriod(since, until string, now time.Time) (p keep.Period, err error) {
	if p.Since, err = config.ParseWhen(since, now); err != nil {
		return p, fmt.Errorf("%w: --since: %w", errUsage, err)
	}
	p.Until = now
	if until != "" {
		if p.Until, err = config.ParseWhen(until, now); err != nil {
			return p, fmt.Errorf("%w: --until: %w", errUsage, err)
		}
	}
	if p.Until.After(now) {
		p.Until = now // what comes is live
	}
	if p.Since, p.Until = p.Since.UTC().Truncate(time.Second), p.Until.UTC().Truncate(time.Second); !p.Since.Before(p.Until) {
		return p, fmt.Errorf("%w: --since must be before --until", errUsage)
	}
	return p, nil
}

func runBackfill(cmd *cobra.Command, provider, module string, asked keep.Period, again, dryRun, asJSON bool) error {
	b, closeAll, err := openBackfill(cmd.Context(), provider, module)
	if err != nil {
		return err
	}
	defer closeAll()
	b.Again, b.DryRun = again, dryRun
	bar := terminal.NewProgress(cmd.ErrOrStderr(), "records")
	b.Report = func(done keep.Backfilled) { bar.Show(done.Records, done.Part()) }
	b.LeftOut = func(err error) { bar.Say("left out: %s", err) }
	b.Comparing = func(module string) { bar.Say("reading which events of %s the stream holds", module) }
	b.ReadBefore = func(span keep.ReadSpan) { bar.Say("%s", readBefore(span)) }
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

// readBefore says that a span is left out, and how to read it all the same.
func readBefore(span keep.ReadSpan) string {
	when := "before"
	if !span.ReadAt.IsZero() {
		when = "on " + span.ReadAt.UTC().Format(time.DateOnly)
	}
	return fmt.Sprintf("%s to %s: this span was read %s; --again reads it once more", span.Since.Format(time.RFC3339), span.Until.Format(time.RFC3339), when)
}

// openBackfill connects to the CRM and to the stream. What it returns closes all of it.
func openBackfill(ctx context.Context, provider, module string) (b *keep.Backfill, closeAll func(), err error) {
	env := &config.Environment{}
	s, _, err := loadClient(env)
	if err != nil {
		return nil, nil, err
	}
	var shared laterState
	all, err := openCRMs(crms, ingest.Setup{
		Env: env.Load, MadeSecret: foundSecret(s), PublicURL: s.BaseURL(), State: shared.State(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, nil, err
	}
	crm := all.crm(provider)
	if crm.Lister == nil {
		return nil, nil, fmt.Errorf("no credentials for the API of %s: set %s", provider, enumerate(crm.Words.Credentials, "and"))
	}
	mapping, err := newMapping(s, []string{s.NATS.ListenPassword, s.NATS.Password, s.StateKey}, all)
	if err != nil {
		return nil, nil, err
	}
	conn, err := connectReader(s)
	if err != nil {
		return nil, nil, err
	}
	publisher := &publish.Publisher{
		Conn: conn, Stream: s.Stream, Prefix: s.SubjectPrefix, Mode: s.EventMode, AllIDs: true, Metrics: publish.NewMetrics(prometheus.NewRegistry()),
	}
	state, err := openStores(s, conn, publisher)
	if err == nil {
		shared.open(state)
		publisher.MaxBytes, err = conn.MaxBytes(ctx, s.Stream)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	b = newBackfill(provider, module, mapping, publisher)
	b.Accounts, b.State, b.Lister = crm.Accounts, state.Shared, crm.Lister
	return b, conn.Close, nil
}

// newBackfill returns a backfill whose records are mapped and published so.
func newBackfill(provider, module string, mapping *transform.Mapping, publisher *publish.Publisher) *keep.Backfill {
	to := accepting{mapping, publisher}
	held := func(held *publish.Held, err error) (keep.Held, error) {
		if errors.Is(err, publish.ErrTooManyHeld) {
			err = fmt.Errorf("%w; read a later --since again", err)
		}
		return held.Has, err
	}
	conn, of := publisher.Conn, publisher.Prefix+"."+provider+"."
	return &keep.Backfill{
		Provider: provider, Module: module, Accept: to.accept,
		Stream: keep.Stream{
			IDs:  to.ids,
			Last: func(ctx context.Context) (uint64, error) { return conn.LastSequence(ctx, publisher.Stream) },
			HeldBehind: func(ctx context.Context, sequence uint64) (keep.Held, error) {
				return held(publisher.Held(ctx, of+">", publish.Bounds{From: sequence + 1}, 0))
			},
			HeldSince: func(ctx context.Context, module string, since time.Time) (keep.Held, error) {
				return held(publisher.Held(ctx, of+module+".*", publish.Bounds{Since: since}, publish.MaxHeld))
			},
		},
	}
}

// openStores returns the state that the bridge shares, and has what is published synced where the running bridge does so
// for its own.
func openStores(s config.Settings, conn *publish.Conn, publisher *publish.Publisher) (ingest.State, error) {
	state := sharedState(s, func() (*publish.Conn, error) { return conn, nil })
	key := s.StateKey
	if s.Embedded() {
		made, err := datadir.ReadSecret(s.DataDir, datadir.StateSecret)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ingest.State{}, err
		}
		if key == "" {
			key = made
		}
		if s.Syncs() {
			committer, err := publish.OpenCommitter(s.DataDir, s.Stream)
			if err != nil {
				return ingest.State{}, fmt.Errorf("BRIDGE_DATA_DIR: %w", err)
			}
			publisher.Commit = committer.Commit
			state.Commit = func(context.Context) error { return publish.SyncStream(s.DataDir, "KV_"+s.StateBucket()) }
		}
	}
	return openState(state, key, slog.New(slog.DiscardHandler))
}
