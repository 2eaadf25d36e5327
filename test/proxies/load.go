//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// samplesOf returns the sources of all CRMs that make samples, with the secrets of the site.
func samplesOf(at *site) (all []ingest.Sampler, err error) {
	for _, one := range at.environment() {
		if name, value, _ := strings.Cut(one, "="); strings.HasPrefix(name, "BRIDGE_") {
			if err := os.Setenv(name, value); err != nil {
				return nil, err
			}
		}
	}
	_, crms, err := client.Load(&config.Environment{})
	for _, source := range crms.Sources() {
		if sampler, ok := source.(ingest.Sampler); ok {
			all = append(all, sampler)
		}
	}
	return all, err
}

// request makes the callback of record n as a CRM sends it.
func request(ctx context.Context, sampler ingest.Sampler, n int) (*http.Request, error) {
	now := time.Now().UTC()
	cb, err := sampler.Sample(ingest.Change{Operation: "edit", IDs: []string{strconv.Itoa(1_000_000 + n)}, OccurredAt: now, ReceivedAt: now}, "")
	if err != nil {
		return nil, err
	}
	target := publicURL + cb.Path
	if len(cb.Query) > 0 {
		target += "?" + cb.Query.Encode()
	}
	if signer, ok := sampler.(ingest.Signer); ok {
		if err := signer.Sign(&cb, target, ""); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, cb.Method, target, bytes.NewReader(cb.Body))
	if err == nil {
		r.Header = cb.Header
	}
	return r, err
}

// load is callbacks that are sent once each, and what was answered.
type load struct {
	site    *site
	senders sync.WaitGroup

	mu   sync.Mutex
	next int
	ids  map[string]int // of events, by how often an answer named them
	row  result

	reload, reloaded time.Time // when the last reload began, and when it had ended; zero while it has not
}

// reloading records that a reload begins, or has ended.
func (l *load) reloading(begins bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reloaded = time.Now(); begins {
		l.reload, l.reloaded = l.reloaded, time.Time{}
	}
}

// afterReload is how long a proxy may take to end connections that a reload has left it with.
const afterReload = time.Second

// cut reports whether a callback that began at a time was in flight during a reload. The caller holds the lock.
func (l *load) cut(began time.Time) bool {
	return !l.reload.IsZero() && (l.reloaded.IsZero() || began.Before(l.reloaded.Add(afterReload)))
}

// result is a row of the table.
type result struct {
	version                                                  string
	sent, answered, refused, cut, unanswered, missing, twice int
	gap                                                      string
	samples                                                  []string
}

// send sends callbacks over several connections, each when the last one is answered.
func send(ctx context.Context, at *site, front *proxy, samplers []ingest.Sampler) *load {
	l := &load{site: at, ids: map[string]int{}}
	for i := range at.connections {
		l.senders.Go(func() {
			client := newClient(at.trust(), front.address, allowed, styles[i%len(styles)])
			defer client.CloseIdleConnections()
			for n := l.take(); n > 0 && ctx.Err() == nil; n = l.take() {
				r, err := request(ctx, samplers[n%len(samplers)], n)
				if err != nil {
					l.note(time.Now(), 0, nil, err)
					return
				}
				if i%len(styles) != http2 {
					r.GetBody = nil // what was sent over a connection that ends is not sent again
				}
				began := time.Now()
				status, body, err := do(client, r)
				if err != nil {
					err = fmt.Errorf("over %s: %w", names[i%len(styles)], err)
				}
				l.note(began, status, body, err)
			}
		})
	}
	return l
}

// take returns the number of the next callback; 0: all are sent.
func (l *load) take() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == l.site.callbacks {
		return 0
	}
	l.next++
	return l.next
}

// samplesKept is how many answers other than 200 are shown.
const samplesKept = 5

// note records what became of a callback.
func (l *load) note(began time.Time, status int, body []byte, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.row
	r.sent++
	var answer struct{ Events []ingest.Ack }
	switch {
	case err != nil && l.cut(began):
		r.cut++
		r.sample("during a reload, " + err.Error())
	case err != nil:
		r.unanswered++
		r.sample(err.Error())
	case status != http.StatusOK || json.Unmarshal(body, &answer) != nil || len(answer.Events) != 1:
		r.refused++
		r.sample(fmt.Sprintf("%d %.200s", status, body))
	default:
		r.answered++
		l.ids[answer.Events[0].ID]++
	}
}

func (r *result) sample(text string) {
	if len(r.samples) < samplesKept {
		r.samples = append(r.samples, text)
	}
}

// reached waits until that many callbacks have their outcome.
func (l *load) reached(ctx context.Context, many int) error {
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); {
		if l.result().sent >= many {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("%d callbacks were not sent within 5 minutes", many)
}

func (l *load) result() result {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.row
}

// perfect returns an error unless each callback was answered 200, but for those that a reload may cut.
func (r result) perfect(mayCut bool) error {
	if r.answered == r.sent || mayCut && r.answered+r.cut == r.sent {
		return nil
	}
	return fmt.Errorf("%d of %d callbacks were not answered 200, for example: %s", r.sent-r.answered, r.sent, strings.Join(r.samples, "; "))
}
