package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// channelLife is how long the simulated CRM lets a channel live. The real one gives a week.
const channelLife = 12 * time.Second

// demoCRM shows a subscription that is enabled, lapses and heals, in a CRM that is simulated after Zoho's documents.
func demoCRM(ctx context.Context, out io.Writer) error {
	crm := &zohotest.CRM{ClientID: "demo", ClientSecret: "demo-secret", RefreshToken: "demo-refresh-token", Callbacks: http.DefaultTransport, Grants: channelLife}
	api, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: crm, ReadHeaderTimeout: 5 * time.Second}
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
	env := map[string]string{
		"BRIDGE_LISTEN": callbacks, "BRIDGE_PUBLIC_URL": "http://" + callbacks, "BRIDGE_ZOHO_EVENTS": "Deals.all",
		"BRIDGE_ZOHO_CLIENT_ID": "demo", "BRIDGE_ZOHO_CLIENT_SECRET": "demo-secret", "BRIDGE_ZOHO_REFRESH_TOKEN": "demo-refresh-token",
		"BRIDGE_ZOHO_ACCOUNTS_URL": "http://" + api.Addr().String(), "BRIDGE_ZOHO_API_URL": "http://" + api.Addr().String(),
	}
	hurry := func(b *bridge) { b.keeper.Settle = time.Second }
	return withBridge(ctx, env, hurry, func(ctx context.Context, b *bridge) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		return (&healing{show: show{bridge: b, out: out}, crm: crm, api: api.Addr().String()}).run(ctx)
	})
}

// freeAddress is one that nothing listens on now: the CRM must be told where to post before the bridge listens.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// healing is the demo of a subscription.
type healing struct {
	show
	crm  *zohotest.CRM
	api  string
	seen [2]atomic.Int64 // events: by a callback, and read from the CRM
}

func (h *healing) run(ctx context.Context) error {
	watch, unwatch := context.WithCancel(ctx)
	defer unwatch()
	watched := make(chan error, 1)
	go func() { watched <- h.watch(watch) }()

	h.explain("A simulated Zoho CRM answers at http://%s. The bridge was given an OAuth client and BRIDGE_ZOHO_EVENTS=Deals.all, and enables a channel. It lives for %s here, for a week in the real one.", h.api, channelLife)
	if err := h.until(ctx, func() bool { return len(h.crm.Live()) == 1 }); err != nil {
		return err
	}
	if err := h.channels(ctx); err != nil {
		return err
	}
	h.explain("Somebody edits deals. The CRM calls, and the events are there.")
	id, err := h.crm.Create("Deals", map[string]any{"Deal_Name": "A deal", "Amount": 100})
	if err == nil {
		err = h.crm.Update("Deals", id, map[string]any{"Amount": 200})
	}
	if err == nil {
		err = h.until(ctx, func() bool { return h.seen[0].Load() == 2 })
	}
	if err != nil {
		return err
	}
	h.explain("The CRM forgets the channel, as it was seen to do. A deal is made, and no callback reports it.")
	h.crm.Kill("")
	if _, err := h.crm.Create("Deals", map[string]any{"Deal_Name": "No callback reported this", "Amount": 300}); err != nil {
		return err
	}
	terminal.Say(h.out, "   channels that are alive: %d\n", len(h.crm.Live()))
	h.explain("At two thirds of its time the bridge renews the channel, finds it gone, enables it again, and reads from the CRM what changed since shortly before it was last seen alive: the deal that no callback reported, and the first one once more (about %s).", channelLife)
	if err := h.until(ctx, func() bool { return len(h.crm.Live()) == 1 && h.seen[1].Load() > 0 }); err != nil {
		return err
	}
	if err := h.channels(ctx); err != nil {
		return err
	}
	unwatch()
	h.explain("That is all. With your own CRM: docs/zoho.md, \"Let the bridge keep its channels\".")
	return <-watched
}

// watch prints every event as it comes.
func (h *healing) watch(ctx context.Context) error {
	conn, err := h.bridge.store.Reach()
	if err != nil {
		return err
	}
	reader := publish.Reader{Conn: conn, Stream: h.bridge.settings.Stream, Since: time.Now().Add(-time.Minute)}
	return reader.Read(ctx, func(e publish.Stored) error {
		event, err := e.Event()
		if err != nil {
			return err
		}
		how, place := "told by a callback", 0
		if event.Extensions()["crmorigin"] == string(ingest.Repair) {
			how, place = "read from the CRM: crmorigin=repair", 1
		}
		terminal.Say(h.out, "   %s  record %s  %s\n", e.Subject, event.Subject(), how)
		h.seen[place].Add(1)
		return nil
	})
}

func (h *healing) channels(ctx context.Context) error {
	channels, err := h.bridge.keeper.Channels(ctx)
	for _, one := range channels {
		terminal.Say(h.out, "   channel %s  %s  %s  ends in %s\n", one.ID, strings.Join(one.Modules, ","), one.State, time.Until(one.Expires).Round(time.Second))
	}
	return err
}

// until waits for something to happen.
func (h *healing) until(ctx context.Context, happened func() bool) error {
	for !happened() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("step %d of the demo did not come to its end: %w", h.step, errors.Join(ctx.Err(), context.Cause(ctx)))
		}
	}
	return nil
}
