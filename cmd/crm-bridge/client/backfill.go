package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
	"github.com/crm-bridge/crm-bridge/transform"
)

// OpenBackfill connects to the CRM and to the stream, for one account of the CRM, or for all if it is empty. What it returns closes all
// of it.
func OpenBackfill(ctx context.Context, provider, account, module string) (b *keep.Backfill, closeAll func(), err error) {
	s, _, err := Load(&config.Environment{})
	if err != nil {
		return nil, nil, err
	}
	var shared bridge.DeferredState
	all, err := bridge.Opening{Env: &config.Environment{}, Setup: ingest.Setup{
		MadeSecret: FoundSecret(s), PublicURLs: s.PublicURL, State: shared.State(), Log: slog.New(slog.DiscardHandler),
	}}.Open(bridge.Openers)
	if err != nil {
		return nil, nil, err
	}
	listed, err := listersOf(all.OfProvider(provider), account)
	if err != nil {
		return nil, nil, err
	}
	mapping, err := bridge.NewMapping(s, s.Secrets(), all)
	if err != nil {
		return nil, nil, err
	}
	conn, err := Connect(s)
	if err != nil {
		return nil, nil, err
	}
	publisher := &publish.Publisher{
		Conn: conn, Stream: s.Stream, Prefix: s.SubjectPrefix, Mode: s.EventMode, AllIDs: true, Metrics: publish.NewMetrics(prometheus.NewRegistry()),
	}
	state, err := openStores(s, conn, publisher)
	if err == nil {
		shared.Open(state)
		publisher.MaxBytes, err = conn.MaxBytes(ctx, s.Stream)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	b = newBackfill(provider, module, mapping, publisher)
	b.Accounts, b.State, b.Lister, b.Clock = listed.accounts, state.Shared, listed, listed.Clock
	return b, conn.Close, nil
}

// newBackfill returns a backfill whose records are accepted there.
func newBackfill(provider, module string, mapping *transform.Mapping, publisher *publish.Publisher) *keep.Backfill {
	held := func(held *publish.IDSet, err error) (keep.Held, error) {
		if errors.Is(err, publish.ErrTooManyHeld) {
			err = fmt.Errorf("%w; read a later --since again", err)
		}
		return held.Has, err
	}
	to, of := bridge.Pipeline{Mapping: mapping, Publisher: publisher}, publisher.Prefix+"."+provider+"."
	return &keep.Backfill{
		Provider: provider, Module: module, Accept: to.Accept,
		Stream: keep.Contents{
			IDs:  to.IDs,
			Last: func(ctx context.Context) (uint64, error) { return publisher.Conn.LastSequence(ctx, publisher.Stream) },
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
	state := bridge.SharedState(s, func() (*publish.Conn, error) { return conn, nil })
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
			committer, err := disk.OpenCommitter(s.DataDir, s.Stream, disk.Options{})
			if err != nil {
				return ingest.State{}, fmt.Errorf("BRIDGE_DATA_DIR: %w", err)
			}
			publisher.Commit = committer.Commit
			state.Commit = func(context.Context) error { return disk.SyncStream(s.DataDir, "KV_"+s.StateBucket()) }
		}
	}
	return bridge.OpenState(state, key, slog.New(slog.DiscardHandler))
}

// ReadBefore says that a span is left out, and how to read it all the same.
func ReadBefore(span keep.ReadSpan) string {
	when := "before"
	if !span.ReadAt.IsZero() {
		when = "on " + span.ReadAt.UTC().Format(time.DateOnly)
	}
	return fmt.Sprintf("%s to %s: this span was read %s; --again reads it once more", span.Since.Format(time.RFC3339), span.Until.Format(time.RFC3339), when)
}
