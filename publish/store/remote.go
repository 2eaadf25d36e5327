package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/crm-bridge/crm-bridge/publish"
)

// remote ensures the streams of a remote NATS, and remembers what they guarantee.
type remote struct {
	*streams
	promise atomic.Pointer[string] // what its stream was like when it was last seen
}

// Dial connects to the remote.
func (r *remote) Dial(ctx context.Context) (*publish.Conn, error) {
	conn, err := r.Remote.Reach(ctx, r.Log)
	return conn, r.explain(err)
}

// ensureEvents ensures the stream of events.
func (r *remote) ensureEvents(ctx context.Context, conn *publish.Conn) (publish.Stream, error) {
	stream, err := r.ensure(ctx, conn, r.events(func() {
		_, _ = r.ensureQuarantine(ctx, conn) // asked again afterwards, which says what is wrong
	}))
	if err != nil {
		return stream, r.explain(err)
	}
	if danger := fragile(stream); danger != "" {
		r.warnOnce(danger)
	}
	return stream, nil
}

// ensureQuarantine ensures the stream of quarantined callbacks.
func (r *remote) ensureQuarantine(ctx context.Context, conn *publish.Conn) (publish.Stream, error) {
	stream, err := r.ensure(ctx, conn, r.quarantine())
	return stream, r.explain(err)
}

// Records is the stream of records on the remote; it is made when the remote is reached.
func (r *remote) Records(context.Context) (Records, error) {
	return Records{Stream: r.recordsStream(), Ensure: func(ctx context.Context, conn *publish.Conn) error {
		_, err := r.ensure(ctx, conn, r.records())
		return r.explain(err)
	}}, nil
}

// explain returns an error of the remote NATS in plain words, with the variable that names it; nil for nil.
func (r *remote) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("BRIDGE_NATS_URL: %w", publish.Plain(err, r.Remote.URL))
}

// seen remembers what the stream of events guarantees, and returns both streams by name.
func (r *remote) seen(events, quarantine publish.Stream) map[string]publish.Stream {
	promise := inWords(events)
	r.promise.Store(&promise)
	quarantine.Beside = true
	return map[string]publish.Stream{events.Name: events, quarantine.Name: quarantine}
}

// promised returns what the remote's stream guarantees.
func (r *remote) promised() string {
	if promise := r.promise.Load(); promise != nil {
		return *promise
	}
	return "which could not be reached yet"
}

// needsOperator reports whether an error of the remote's streams ends the start: they do not fit, or there is no room for the
// stream of events.
func (r *remote) needsOperator(err error) bool {
	var full *publish.NoRoomError
	return errors.As(err, new(publish.MisfitError)) || errors.As(err, &full) && full.Stream == r.Stream
}
