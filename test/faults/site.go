//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// delivery is what a bridge does with an event before it answers.
type delivery string

const (
	embedded delivery = "embedded" // stores it in its own server's stream
	journal  delivery = "journal"  // stores it in its journal, and forwards it to a remote broker
	direct   delivery = "direct"   // waits for the remote's acknowledgement
)

// site is a bridge at fixed addresses, its broker, and the ledger of its callbacks.
type site struct {
	*stage
	delivery delivery
	data     string   // the bridge's folder
	env      []string // besides addresses and folder
	listen   string   // of callbacks
	remote   *broker  // nil: embedded
	path     string   // URL of the remote as the bridge knows it
	ledger   *ledger

	mu     sync.Mutex
	bridge *bridge
}

// newSite prepares a site without a broker.
func (s *stage) newSite(ctx context.Context, d delivery, env ...string) (*site, error) {
	listen, err := s.address(ctx)
	return &site{stage: s, delivery: d, data: filepath.Join(s.folder, "data"), env: env, listen: listen, ledger: &ledger{}}, err
}

// openSite prepares a site, and starts its broker.
func (s *stage) openSite(ctx context.Context, d delivery, env ...string) (*site, error) {
	at, err := s.newSite(ctx, d, env...)
	if err != nil || d == embedded {
		return at, err
	}
	if at.remote, err = s.addBroker(ctx, "remote"); err != nil {
		return nil, err
	}
	at.path = at.remote.URL
	return at, at.remote.start(ctx)
}

// open prepares a site and starts its bridge too.
func (s *stage) open(ctx context.Context, d delivery, env ...string) (*site, error) {
	at, err := s.openSite(ctx, d, env...)
	if err != nil {
		return nil, err
	}
	return at, at.startBridge(ctx)
}

// startBridge starts the bridge, as it is configured here, and returns when it serves.
func (at *site) startBridge(ctx context.Context) (err error) {
	env := []string{"BRIDGE_LISTEN=" + at.listen, "BRIDGE_DATA_DIR=" + at.data}
	if at.delivery != embedded {
		env = append(env, "BRIDGE_NATS_URL="+at.path, "BRIDGE_DELIVERY="+string(at.delivery), "BRIDGE_STREAM_MAX_BYTES=1GiB")
	}
	if at.delivery == direct { // how long a callback waits for a silent remote
		env = append(env, "BRIDGE_ANSWER_TIMEOUT=1s")
	}
	started, err := at.stage.startBridge(ctx, append(env, at.env...)...)
	if err != nil {
		return err
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	at.bridge = started
	return nil
}

// running returns the bridge that was started last, also while it is replaced.
func (at *site) running() *bridge {
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.bridge
}

// send loads the site.
func (at *site) send(ctx context.Context) *load {
	at.ledger.next()
	return send(ctx, at.ledger, "http://"+at.listen, at.connections)
}

// recovers returns when the site has recovered from a fault that ended at a time: when more callbacks have been answered 200 in this
// phase than could have been in flight when it began; with a journal also when everything that waited in it at that time has been
// forwarded.
func (at *site) recovers(ctx context.Context, passed time.Time) error {
	err := until(ctx, recoverWithin, "callbacks are answered 200 again", func(context.Context) bool { return at.ledger.peek().answered > at.connections })
	if err == nil && at.delivery == journal {
		err = until(ctx, recoverWithin, "the journal's old events are forwarded", func(ctx context.Context) bool {
			now := time.Now()
			oldest, ok := at.bridge.metric(ctx, "crm_bridge_journal_oldest_seconds")
			return ok && now.Add(-time.Duration(oldest*float64(time.Second))).After(passed)
		})
	}
	if err != nil {
		return fmt.Errorf("%w: %s%s", err, at.ledger.peek(), at.bridge.log.end())
	}
	return nil
}

// recoverWithin is how long a site may take to recover after a fault. Detecting a dead connection takes 15 to 20 seconds, and each
// address of the remote that does not answer five more.
const recoverWithin = 45 * time.Second

// drains returns when the journal is empty.
func (at *site) drains(ctx context.Context, within time.Duration) error {
	if at.delivery != journal {
		return nil
	}
	var left float64
	err := until(ctx, within, "the journal is empty", func(ctx context.Context) bool {
		value, ok := at.bridge.metric(ctx, "crm_bridge_journal_pending")
		if ok { // a request that the deadline ended says nothing
			left = value
		}
		return ok && value == 0
	})
	if err != nil {
		return fmt.Errorf("%w: %.0f events wait in it%s", err, left, at.bridge.log.end())
	}
	return nil
}

// drainWithin is how long the journal may take to drain to a remote that is up.
const drainWithin = time.Minute

// stream returns the URL of the server that must hold the site's events in the end.
func (at *site) stream() (url string) {
	if at.delivery == embedded {
		return at.bridge.NATS
	}
	return at.remote.URL
}

// settle compares the ledger with the stream, once the load has stopped and the journal has drained.
func (at *site) settle(ctx context.Context) (row, error) {
	if err := at.drains(ctx, drainWithin); err != nil {
		return row{}, err
	}
	return at.reconcile(ctx, newReconciler(at.ledger))
}

// reconcile reads the stream and makes the scenario's row of it.
func (at *site) reconcile(ctx context.Context, r *reconciler) (row, error) {
	state, err := r.read(ctx, at.stream(), "CRM")
	if err != nil {
		return row{}, err
	}
	result := row{counts: at.ledger.count(), rate: at.ledger.rate(), double: r.double, outOfOrder: r.outOfOrder, storedRefused: r.refused, storedUnanswered: r.unanswered, strange: r.strange, victims: r.victims}
	first := uint64(0)
	if at.delivery == embedded {
		first = state.FirstSeq // the journal drops nothing, and a remote's sequences are not those of the answers
	}
	result.missing, result.dropped = r.missing(first)
	if left, ok := at.bridge.metric(ctx, "crm_bridge_journal_pending"); ok && at.delivery == journal {
		result.left = fmt.Sprintf("%.0f", left)
	}
	return result, nil
}
