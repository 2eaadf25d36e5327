package simulate

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// Stay is a demo that stays: simulated CRMs, a bridge of their own with its console, and a page whose buttons do what CRMs do, so that a
// person sees channels lapse and heal. Set the fields once.
type Stay struct {
	Data  string        // folder of the bridge; empty: a temporary one
	Every time.Duration // how often a record changes by itself; zero: never
	Life  time.Duration // of subscriptions; zero: a minute
}

// The addresses of the demo, where they are free.
const (
	stayPage      = "127.0.0.1:8090"
	stayCallbacks = "127.0.0.1:8080"
	stayAdmin     = "127.0.0.1:9090"
	stayNATS      = "127.0.0.1:4222"
)

// Run runs the demo until ctx ends, or a signal comes. It says on out what happens, and what the bridge warns about.
func (s Stay) Run(ctx context.Context, out io.Writer) error {
	if s.Data != "" {
		ctx, release := terminal.UntilSignal(ctx, func() {})
		defer release()
		return s.run(ctx, s.Data, out)
	}
	return withFolder(ctx, func(ctx context.Context, folder string) error { return s.run(ctx, folder, out) })
}

func (s Stay) run(ctx context.Context, folder string, out io.Writer) (err error) {
	simulated, err := openStage(ctx, cmp.Or(s.Life, time.Minute))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, simulated.close()) }()
	page, err := listenAt(ctx, stayPage)
	if err != nil {
		return err
	}
	defer func() { _ = page.Close() }()
	own := map[string]string{"BRIDGE_DATA_DIR": folder, "BRIDGE_RECORDS_HISTORY": "16"}
	for name, preferred := range map[string]string{"BRIDGE_LISTEN": stayCallbacks, "BRIDGE_ADMIN_LISTEN": stayAdmin, "BRIDGE_NATS_LISTEN": stayNATS} {
		if own[name], err = freeAddress(ctx, preferred); err != nil {
			return err
		}
	}
	lines := &lines{out: out}
	log, flush := terminal.NewLog(lines, slog.LevelWarn, "text")
	defer flush()
	return withBridge(ctx, simulated.variables(own), simulated.openers(), log, func(ctx context.Context, b *bridge.Bridge) error {
		if err := setAll(own); err != nil { // for the command lines that are printed
			return err
		}
		return (&play{stage: simulated, bridge: b, out: lines, every: s.Every}).run(ctx, page)
	})
}

// lines lets several write whole lines to one writer.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}
