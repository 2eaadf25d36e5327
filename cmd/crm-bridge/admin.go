package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// state is what /readyz is made of.
type state struct {
	serving, draining atomic.Bool
	broken            atomic.Pointer[string] // why the embedded store takes nothing more; nil: it does

	mu      sync.Mutex
	checked time.Time
	failure error
}

// readyEvery bounds how often a question to /readyz reaches the disk and the stream.
const readyEvery = time.Second

// readiness is the body of /readyz.
type readiness struct {
	Ready      bool   `json:"ready"`
	Reason     string `json:"reason,omitempty"`
	Durability string `json:"durability"`
	Stream     string `json:"stream"`
	Version    string `json:"version"`
	// With a journal:
	Remote string  `json:"remote,omitempty"`         // "forwarding", or why not
	Waits  *uint64 `json:"journalPending,omitempty"` // messages that the remote has not acknowledged
}

// adminAtOnce bounds how many requests at the admin address are answered at once.
const adminAtOnce = 32

// atMost answers so many requests at once, and 503 beyond. /healthz is always answered, lest a crowd has the bridge restarted.
func atMost(n int, next http.Handler) http.Handler {
	slots := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			default:
				w.Header().Set("Retry-After", "5")
				writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "too many requests at once"})
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (b *bridge) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, map[string]bool{"ok": true}) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		answer := readiness{Ready: true, Durability: b.promises(), Stream: b.settings.Stream, Version: version()}
		b.describeRemote(r.Context(), &answer)
		status := http.StatusOK
		if reason := b.notReady(r.Context()); reason != "" {
			answer.Ready, answer.Reason, status = false, reason, http.StatusServiceUnavailable
		}
		writeJSON(w, status, answer)
	})
	b.handleQuarantine(mux)
	b.handleChannels(mux)
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.registry, promhttp.HandlerOpts{}))
	return mux
}

// notReady says why callbacks should go elsewhere: the bridge drains, or nothing can be made safe now.
func (b *bridge) notReady(ctx context.Context) string {
	switch {
	case b.state.draining.Load():
		return "draining"
	case !b.state.serving.Load():
		return "starting"
	case b.state.broken.Load() != nil:
		return "nothing can be made safe: " + *b.state.broken.Load()
	}
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	if time.Since(b.state.checked) > readyEvery {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		b.state.failure = b.publisher.Ready(ctx)
		if b.state.failure == nil && b.data != nil {
			b.state.failure = b.data.probe()
		}
		b.state.checked = time.Now()
	}
	if b.state.failure != nil {
		return "nothing can be made safe: " + b.state.failure.Error()
	}
	return ""
}

// roomAgain is the free disk from which a store that broke is worth opening anew.
const roomAgain = 64 << 20

// watchStore returns an error when the embedded store has broken, as it does when the disk is full, and there is room
// again: it takes a new start to use it. Until then every callback is answered with 503.
func (b *bridge) watchStore(ctx context.Context) error {
	if b.server == nil {
		<-ctx.Done()
		return context.Canceled
	}
	var reason string
	select {
	case reason = <-b.server.Broken():
		b.state.broken.Store(&reason)
	case <-ctx.Done():
		return context.Canceled
	}
	for ticker := time.NewTicker(time.Second); ; {
		select {
		case <-ticker.C:
			if freeBytes(b.data.path) > roomAgain && b.data.probe() == nil {
				ticker.Stop()
				return fmt.Errorf("the embedded store broke (%s) and there is room again: a new start opens it", reason)
			}
		case <-ctx.Done():
			ticker.Stop()
			return context.Canceled
		}
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
