package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
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

// greet says where everything is.
func (p *play) greet(page net.Addr) {
	terminal.Say(p.out, `Simulated CRMs (%s) call a bridge of their own, until Ctrl-C.

  CRMs       http://%s   create, edit, lose a channel, send a wrong token, …
  console    %s
             the link signs in once, within five minutes
  callbacks  http://%s
  events     %s
  commands   %s tail

Subscriptions that expire do so after %.0f s, and lost ones are found within that time.

`, bridge.Enumerate(p.names(), "and"), page, p.bridge.ConsoleLink(), bridge.Reachable(p.bridge.Callbacks), p.bridge.Store.URL, client.OwnCommand(), p.stage.life.Seconds())
}

// names are those of the CRMs.
func (p *play) names() (all []string) {
	for _, one := range p.stage.crms {
		all = append(all, one.Name)
	}
	return all
}

// say prints what happened, and keeps it for the page.
func (p *play) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	now := time.Now()
	terminal.Say(p.out, "%s  %s\n", now.Format(time.TimeOnly), terminal.Visible(text))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = newest(p.told, told{now, text}, mostTold)
}

// newest returns a list with one more at its beginning, and at most so many.
func newest[of any](list []of, one of, most int) []of {
	list = append([]of{one}, list...)
	return list[:min(len(list), most)]
}
