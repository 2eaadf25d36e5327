package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// channelLife is how long the simulated CRM lets a subscription live.
const channelLife = 12 * time.Second

// DemoCRM shows a subscription that is enabled, lapses and is repaired, in the first CRM that has a simulation.
func DemoCRM(ctx context.Context, out io.Writer) error {
	i := slices.IndexFunc(bridge.Known(), func(crm *ingest.CRM) bool { return crm.Simulate != nil })
	if i < 0 {
		return errors.New("no CRM can be simulated")
	}
	crm := bridge.Known()[i].Simulate(channelLife)
	api, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: crm.API, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(api) }()
	defer func() {
		_ = server.Close()
		if err := <-served; err != nil && !errors.Is(err, http.ErrServerClosed) {
			terminal.Say(out, "the simulated CRM: %s\n", err)
		}
	}()
	callbacks, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	url := "http://" + api.Addr().String()
	env := crm.Variables(url)
	env["BRIDGE_LISTEN"], env["BRIDGE_PUBLIC_URL"] = callbacks, "http://"+callbacks
	hurried := func(setup ingest.Setup) (*ingest.CRM, error) {
		opened, err := bridge.Openers[i](setup)
		if err == nil {
			opened.Settle = time.Second
		}
		return opened, err
	}
	return withBridge(ctx, env, []bridge.Opener{hurried}, func(ctx context.Context, b *bridge.Bridge) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		return (&crmDemo{demo: demo{bridge: b, out: out}, simulated: crm, url: url}).run(ctx)
	})
}

// freeAddress returns an address that nothing listens on now: the CRM needs it before the bridge listens.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// crmDemo is the demo of a subscription.
type crmDemo struct {
	demo
	simulated *ingest.Simulation
	url       string
	seen      [2]atomic.Int64 // events: by a callback, and read from the CRM
}

func (h *crmDemo) run(ctx context.Context) error {
	watch, unwatch := context.WithCancel(ctx)
	defer unwatch()
	watched := make(chan error, 1)
	go func() { watched <- h.watch(watch) }()

	crm := h.bridge.CRMs[0]
	h.explain("A simulated %s answers at %s. The bridge has an OAuth client and %s, and enables a channel. It expires after %s here; a real one lives longer.", crm.Words.Name, h.url, h.simulated.Wanted, channelLife)
	if err := h.until(ctx, func() bool { return h.simulated.Alive() == 1 }); err != nil {
		return err
	}
	if err := h.channels(ctx); err != nil {
		return err
	}
	h.explain("Somebody creates and edits a record. The CRM calls, and the events are there.")
	callbacks, err := h.simulated.Work()
	if err == nil {
		err = h.until(ctx, func() bool { return h.seen[0].Load() == int64(callbacks) })
	}
	if err != nil {
		return err
	}
	h.explain("The CRM drops the channel without notice. A record is created, and no callback reports it.")
	if err := h.simulated.Miss(); err != nil {
		return err
	}
	terminal.Say(h.out, "   active channels: %d\n", h.simulated.Alive())
	h.explain("After two thirds of the channel's lifetime the bridge tries to renew it, finds it gone, enables it again, and reads from the CRM what changed since shortly before it was last seen alive: the record that no callback reported, and the first one once more (about %s).", channelLife)
	if err := h.until(ctx, func() bool { return h.simulated.Alive() == 1 && h.seen[1].Load() > 0 }); err != nil {
		return err
	}
	if err := h.channels(ctx); err != nil {
		return err
	}
	unwatch()
	h.explain("That is all. With your own CRM: docs/%s.md.", crm.Provider)
	return <-watched
}

// watch prints every event as it comes.
func (h *crmDemo) watch(ctx context.Context) error {
	follower := publish.Follower{
		Reach: func(ctx context.Context) (*publish.Conn, error) { // it is closed in the end, so not the bridge's own
			return publish.Address{URL: h.bridge.Store.URL}.Reach(ctx, slog.New(slog.DiscardHandler))
		},
		Stream: h.bridge.Settings.Stream, Since: time.Now().Add(-time.Minute),
	}
	return follower.Follow(ctx, func(e publish.Stored) error {
		event, err := e.Event()
		if err != nil {
			return err
		}
		how, place := "reported by a callback", 0
		if event.Extensions()["crmorigin"] == string(ingest.Repair) {
			how, place = "read from the CRM: crmorigin=repair", 1
		}
		terminal.Say(h.out, "   %s  record %s  %s\n", e.Subject, event.Subject(), how)
		h.seen[place].Add(1)
		return nil
	})
}

func (h *crmDemo) channels(ctx context.Context) error {
	channels, err := h.bridge.Keeper.Channels(ctx, h.bridge.CRMs[0])
	for _, one := range channels {
		terminal.Say(h.out, "   channel %s  %s  %s  expires in %s\n", one.ID, strings.Join(one.Modules, ","), one.State, time.Until(one.Expires).Round(time.Second))
	}
	return err
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
