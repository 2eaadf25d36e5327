package bridge

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// health reports whether the bridge can take callbacks.
type health struct {
	store             *store.EventStore
	stream            string
	serving, draining atomic.Bool
}

// Readiness is the body of /readyz.
type Readiness struct {
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

// ServeHTTP answers /readyz. A remote that a journal cannot be forwarded to does not make the bridge unready: the journal
// takes events.
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := h.store.Status(r.Context())
	answer := Readiness{
		Ready: true, Durability: h.store.Durability(), Stream: h.stream, Version: config.Release, Waits: status.Pending, Warnings: status.Warnings,
	}
	if status.Forwards {
		answer.Remote = "forwarding"
	}
	if status.Interrupted != nil {
		answer.Remote = terminal.Plainly(status.Interrupted)
	}
	code := http.StatusOK
	if reason := h.notReady(r.Context()); reason != "" {
		answer.Ready, answer.Reason, code = false, reason, http.StatusServiceUnavailable
	}
	writeJSON(w, code, answer)
}

// notReady returns why callbacks should go elsewhere: the bridge drains, or nothing can be stored now; empty: it is ready.
func (h *health) notReady(ctx context.Context) string {
	switch {
	case h.draining.Load():
		return "draining"
	case !h.serving.Load():
		return "starting"
	}
	if err := h.store.Ready(ctx); err != nil {
		return terminal.Plainly(err)
	}
	return ""
}

// ready reports whether callbacks can be stored now.
func (h *health) ready(ctx context.Context) bool { return h.notReady(ctx) == "" }

// closeWhileDraining has every answer that is given during the drain say that its connection ends. A client that keeps its connection,
// such as the proxy of a cluster, then comes back over a new one, which leads to a bridge that is ready; else the end of the
// drain would close the old one just when the next callback is on its way.
func (h *health) closeWhileDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// alive returns an error unless the process answers /healthz at its admin listener over a connection of its own, as a probe of a cluster
// does: not ready is no reason to be restarted.
func alive(ctx context.Context, admin net.Listener) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+Reachable(admin)+"/healthz", nil)
	if err != nil {
		return err
	}
	self := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and by no proxy of the environment
	response, err := self.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}
