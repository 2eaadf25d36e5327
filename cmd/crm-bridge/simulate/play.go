package simulate

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
)

// The bounds of what is kept to be shown, and of records.
const (
	mostTold    = 30
	mostEvents  = 30
	mostRecords = 200 // of a CRM, so that a demo that runs for weeks stays small
	fewRecords  = 3   // below which the traffic creates some
)

// play is what happens between the simulated CRMs and a bridge while a person watches.
type play struct {
	stage  *stage
	bridge *bridge.Bridge
	out    io.Writer
	every  time.Duration
	csrf   string // of the page's forms

	mu      sync.Mutex
	told    []told              // newest first
	events  []seen              // newest first
	records map[string][]string // ids, by provider, oldest first
}

// told is a sentence about what happened.
type told struct {
	At   time.Time
	Text string
}

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

// watch says when subscriptions are lost, and alive again.
func (p *play) watch(ctx context.Context) error {
	alive := map[string]bool{}
	for pause(ctx, 200*time.Millisecond) {
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
	for i := 0; pause(ctx, p.every); i++ {
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

// pause waits, and reports whether ctx has not ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// count returns how many records a CRM has.
func (p *play) count(one *simulatedCRM) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.records[one.Provider])
}

// any returns one of a CRM's records; empty: there is none.
func (p *play) any(one *simulatedCRM) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := p.records[one.Provider]
	if len(ids) == 0 {
		return ""
	}
	return ids[mathrand.IntN(len(ids))] //nolint:gosec // any will do
}

// take removes the oldest record from those that can be changed; empty: there is none.
func (p *play) take(one *simulatedCRM) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := p.records[one.Provider]
	if len(ids) == 0 {
		return ""
	}
	p.records[one.Provider] = ids[1:]
	return ids[0]
}
