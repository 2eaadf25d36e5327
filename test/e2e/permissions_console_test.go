package e2e

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	running "github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/publish"
	replays "github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/search"
)

// consoleAsks searches events and runs a replay job, as the console of the bridge does.
func consoleAsks(t *testing.T, url string) {
	t.Helper()
	open := func(ctx context.Context) (*publish.Conn, error) {
		return publish.Address{URL: url}.Reach(ctx, slog.New(slog.DiscardHandler))
	}
	conn, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, query := range []search.Query{{}, {Oldest: true}, {Subjects: []string{"crm.zoho.>"}}, {Since: time.Now().Add(-time.Hour)}} {
		page, err := (&search.Stream{Conn: conn, Name: "CRM"}).Page(t.Context(), query)
		if err != nil || len(page.Events) == 0 {
			t.Errorf("found %d events: %v", len(page.Events), err)
			continue
		}
		if _, err := conn.Get(t.Context(), "CRM", page.Events[0].Sequence); err != nil {
			t.Error(err)
		}
	}
	settings, err := config.Load(&config.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	settings.NATS.URL = url
	place := func(conn *publish.Conn, err error) (*replays.Place, error) {
		if err != nil {
			return nil, err
		}
		return running.ReplayPlace(settings, conn, func(string) {}), nil
	}
	runner := &replays.Runner{Stream: "CRM", Prefix: "crm", Log: slog.New(slog.DiscardHandler)}
	runner.Open = func(ctx context.Context) (*replays.Place, error) { return place(open(ctx)) }
	runner.Look = func() (*replays.Place, error) { return place(conn, nil) }
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { runner.Run(ctx) })
	defer work.Wait()
	defer cancel()
	var name string
	waitFor(t, func() bool {
		name, err = runner.Start(ctx, replays.Order{})
		return err == nil
	})
	waitFor(t, func() bool {
		all, err := runner.List(ctx)
		return err == nil && len(all) == 1 && all[0].State == replays.Done
	})
	if removed, err := runner.Delete(ctx, name); err != nil || removed == 0 {
		t.Errorf("removed %d: %v", removed, err)
	}
}
