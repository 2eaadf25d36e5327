package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// channelLife is how long the simulated CRMs let a subscription live that can expire.
const channelLife = 12 * time.Second

// DemoCRM shows subscriptions that are enabled, get lost and are repaired, in every CRM that has a simulation.
func DemoCRM(ctx context.Context, out io.Writer) error {
	return withFolder(ctx, func(ctx context.Context, folder string) (err error) {
		simulated, err := openStage(ctx, channelLife)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, simulated.close()) }()
		callbacks, err := freeAddress(ctx, "127.0.0.1:0") // the CRMs need it before the bridge listens
		if err != nil {
			return err
		}
		env := simulated.variables(ownPorts(folder, callbacks))
		return withBridge(ctx, env, simulated.openers(), slog.New(slog.DiscardHandler), func(ctx context.Context, b *bridge.Bridge) error {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
			defer cancel()
			return (&crmDemo{demo: demo{bridge: b, out: out}, stage: simulated, seen: map[string]int{}}).run(ctx)
		})
	})
}

// crmDemo is the demo of subscriptions.
type crmDemo struct {
	demo
	stage *stage

	mu   sync.Mutex
	seen map[string]int // events, by "<provider> live" and "<provider> repair"
}

func (h *crmDemo) run(ctx context.Context) error {
	watch, unwatch := context.WithCancel(ctx)
	defer unwatch()
	watched := make(chan error, 1)
	go func() { watched <- follow(watch, h.bridge, h.print) }()

	var names, addresses, wanted, pages []string
	for _, one := range h.stage.crms {
		names, wanted = append(names, one.Name), append(wanted, one.Wanted)
		addresses, pages = append(addresses, one.Name+" at "+one.URL), append(pages, "docs/"+one.Provider+".md")
	}
	h.explain("Simulated CRMs answer: %s. The bridge has an OAuth client of each, with %s, and subscribes. Channels that expire do so after %s here; real ones live longer.",
		bridge.Enumerate(addresses, "and"), bridge.Enumerate(wanted, "and"), channelLife)
	if err := h.stage.begin(h.bridge); err != nil {
		return err
	}
	if err := h.until(ctx, func() bool { return h.stage.alive() && h.active(ctx) }); err != nil {
		return err
	}
	if err := h.channels(ctx); err != nil {
		return err
	}
	h.explain("Somebody creates and edits a record in each. The CRMs call, and the events are there.")
	for _, one := range h.stage.crms {
		id, err := one.Create()
		if err = errors.Join(err, one.Edit(id)); err != nil {
			return err
		}
	}
	if err := h.until(ctx, func() bool { return h.all(ingest.Live, 2) }); err != nil {
		return err
	}
	h.explain("%s lose their subscriptions without notice. A record is created in each, and no callback reports it.", bridge.Enumerate(names, "and"))
	for _, one := range h.stage.crms {
		one.Drop()
		if _, err := one.Create(); err != nil {
			return err
		}
		terminal.Say(h.out, "   %s: active subscription: %t\n", one.Name, one.Alive())
	}
	h.explain("After two thirds of a channel's lifetime the bridge tries to renew it, and looks at bindings that never expire. It finds them gone, subscribes again, and reads from the CRM what changed since shortly before it last saw them alive: the record that no callback reported, and the first one once more (about %s).", channelLife)
	if err := h.until(ctx, func() bool { return h.stage.alive() && h.all(ingest.Repair, 1) }); err != nil {
		return err
	}
	if err := h.channels(ctx); err != nil {
		return err
	}
	unwatch()
	h.explain("That is all. To play with it: crm-bridge demo --crm --stay. With your own CRM: %s.", bridge.Enumerate(pages, "and"))
	return <-watched
}

// print prints and counts an event.
func (h *crmDemo) print(e seen) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[e.Provider+" "+e.Origin]++
	terminal.Say(h.out, "   %s\n", e)
}

// all reports whether so many events of each CRM have come.
func (h *crmDemo) all(origin ingest.Origin, least int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.stage.crms {
		if h.seen[one.Provider+" "+string(origin)] < least {
			return false
		}
	}
	return true
}

// active reports whether the bridge knows of an active channel in each CRM.
func (h *crmDemo) active(ctx context.Context) bool {
	for _, crm := range h.bridge.CRMs {
		channels, err := h.bridge.Keeper.Channels(ctx, crm)
		if err != nil || len(channels) == 0 || channels[0].State != "active" {
			return false
		}
	}
	return true
}

func (h *crmDemo) channels(ctx context.Context) error {
	for _, crm := range h.bridge.CRMs {
		channels, err := h.bridge.Keeper.Channels(ctx, crm)
		if err != nil {
			return err
		}
		for _, one := range channels {
			terminal.Say(h.out, "   %s  channel %s  %s  %s  %s\n", crm.Provider, one.ID, strings.Join(one.Modules, ","), one.State, expiry(one))
		}
	}
	return nil
}

// expiry says how long a channel lives.
func expiry(one ingest.Channel) string {
	switch {
	case one.State != "active":
		return ""
	case one.Expires.IsZero():
		return "never expires"
	}
	return "expires in " + time.Until(one.Expires).Round(time.Second).String()
}

// until waits for something to happen.
func (h *crmDemo) until(ctx context.Context, happened func() bool) error {
	for !happened() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("step %d of the demo did not finish: %w", h.step, errors.Join(ctx.Err(), context.Cause(ctx)))
		}
	}
	return nil
}
