package simulate

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// run runs until ctx ends, or something fails: the page, the traffic, and what watches the stream and the subscriptions.
func (p *play) run(ctx context.Context, page net.Listener) error {
	p.csrf, p.records = rand.Text(), map[string][]string{}
	if err := p.stage.begin(p.bridge); err != nil {
		return err
	}
	p.greet(page.Addr())
	ctx, end := context.WithCancel(ctx)
	defer end()
	server := &http.Server{Handler: p.pages(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	failures := make(chan error, 4)
	parts := []func() error{
		func() error { return server.Serve(page) },
		func() error { return follow(ctx, p.bridge, p.see) },
		func() error { return p.traffic(ctx) },
		func() error { return p.watch(ctx) },
	}
	for _, part := range parts {
		go func() {
			failures <- part()
			end()
		}()
	}
	<-ctx.Done()
	err := server.Close()
	for range parts {
		if failed := <-failures; !errors.Is(failed, http.ErrServerClosed) && !errors.Is(failed, context.Canceled) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// see keeps an event for the page, and says what a repair has found.
func (p *play) see(e seen) {
	p.mu.Lock()
	p.events = newest(p.events, e, mostEvents)
	p.mu.Unlock()
	if e.Origin != "live" {
		p.say("%s", e)
	}
}

// lookEvery is how often the subscriptions are looked at.
const lookEvery = 200 * time.Millisecond

// watch says when subscriptions are lost, and alive again.
func (p *play) watch(ctx context.Context) error {
	alive := map[string]bool{}
	for retry.Sleep(ctx, lookEvery) == nil {
		for _, one := range p.stage.crms {
			now := one.Alive()
			if was, known := alive[one.Provider]; known && was != now {
				p.say("%s: the subscription is %s", one.Name, map[bool]string{true: "alive", false: "lost"}[now])
			}
			alive[one.Provider] = now
		}
	}
	return nil
}

// traffic changes a record of one CRM after the other from time to time.
func (p *play) traffic(ctx context.Context) error {
	if p.every <= 0 {
		<-ctx.Done()
		return nil
	}
	for i := 0; retry.Sleep(ctx, p.every) == nil; i++ {
		one := p.stage.crms[i%len(p.stage.crms)]
		change := p.edit
		if p.count(one) < fewRecords {
			change = p.create
		}
		if _, err := change(ctx, one); err != nil {
			p.say("%s: a callback failed: %s", one.Name, err)
		}
	}
	return nil
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
