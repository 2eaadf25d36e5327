package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
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
	// With direct delivery: journals whose events are not forwarded.
	Warnings []string `json:"warnings,omitempty"`
}

// adminAtOnce bounds how many requests at the admin address are answered at once.
const adminAtOnce = 32

// atMost answers n requests at once, and 503 beyond. /healthz is always answered, so that a flood does not restart the bridge.
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
		answer := readiness{Ready: true, Durability: b.promises(), Stream: b.settings.Stream, Version: config.Release}
		b.describeRemote(r.Context(), &answer)
		answer.Warnings = b.leftJournals()
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
	case b.unfit.Load() != nil && b.forwarder != nil:
		return "the remote's streams cannot be used: " + (*b.unfit.Load()).Error()
	}
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	if time.Since(b.state.checked) > readyEvery {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		b.state.failure = b.storeReady(ctx)
		b.state.checked = time.Now()
	}
	if b.state.failure != nil {
		return "nothing can be made safe: " + terminal.Plainly(b.state.failure)
	}
	return ""
}

// storeReady returns nil when an event could be made safe now.
func (b *bridge) storeReady(ctx context.Context) error {
	if err := b.publisher.Ready(ctx); err != nil || b.data == nil {
		return err
	}
	for _, committer := range b.committers {
		if err := committer.Ready(ctx); err != nil {
			return err
		}
	}
	return b.data.Probe(ctx)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = terminal.JSONEncoder(w).Encode(body)
}
