package publish

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// Upkeep ensures the streams of a remote NATS that stores events without a journal: at the start, after each new connection, and
// whenever an answer says that a stream is missing. Set the exported fields once.
type Upkeep struct {
	Conn *Conn
	// Ensure ensures the streams, and returns them by name. Its errors are in plain words.
	Ensure func(ctx context.Context, remote *Conn) (map[string]Stream, error)
	Log    *slog.Logger

	streams atomic.Pointer[map[string]Stream]
	problem atomic.Pointer[error] // why nothing can be stored; nil: it can
	missing atomic.Bool           // an answer said that a stream is missing
	said    string                // the problem that was last logged; empty: none. Only Run uses it, as those below
	made    uint64                // number of the connection on which the streams were last ensured
	asked   time.Time             // when the streams were last ensured, or that failed
	wait    time.Duration         // until the next try, after a failed one
}

const (
	// upkeepEvery is how often Upkeep checks locally whether the streams must be ensured, and how often it ensures them at most; after
	// failures it waits up to upkeepLast.
	upkeepEvery = 100 * time.Millisecond
	upkeepLast  = time.Second
	// upkeepTimeout bounds requests about streams: a stream without a leader does not answer at all.
	upkeepTimeout = 5 * time.Second
)

// Start ensures the streams once, and returns what is wrong; Run retries.
func (u *Upkeep) Start(ctx context.Context) error { return u.check(ctx) }

// Run ensures the streams, whenever there is a reason, until ctx ends.
func (u *Upkeep) Run(ctx context.Context) {
	ticker := time.NewTicker(upkeepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = u.check(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Problem returns why nothing can be stored on the remote; nil if events can be stored, and for a nil Upkeep.
func (u *Upkeep) Problem() error {
	if u == nil {
		return nil
	}
	if problem := u.problem.Load(); problem != nil {
		return *problem
	}
	return nil
}

// check ensures the streams if there is a reason to, and notes and returns what is wrong.
func (u *Upkeep) check(ctx context.Context) error {
	if err := u.Conn.Up(); err != nil {
		u.wait = 0
		return u.note(err)
	}
	made := u.Conn.Made()
	known := u.made == made && u.Problem() == nil
	if known && !u.missing.Load() || time.Since(u.asked) < u.wait {
		return u.Problem()
	}
	u.missing.Store(false)
	u.asked, u.wait = time.Now(), min(max(2*u.wait, upkeepEvery), upkeepLast)
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()
	streams, err := u.Ensure(ctx, u.Conn)
	if err != nil {
		return u.note(err)
	}
	u.streams.Store(&streams)
	u.made, u.wait = made, upkeepEvery
	return u.note(nil)
}

// note remembers what is wrong, and logs it when it changes.
func (u *Upkeep) note(err error) error {
	switch {
	case err == nil:
		u.problem.Store(nil)
		if u.said != "" {
			u.Log.Info("the remote NATS accepts events again")
		}
		u.said = ""
		return nil
	case err.Error() != u.said:
		u.said = err.Error()
		u.Log.Error("the remote NATS does not accept events: callbacks are answered 503 until it does", "error", u.said)
	}
	u.problem.Store(&err)
	return err
}

// stream returns a stream as it was last seen; the zero value before.
func (u *Upkeep) stream(name string) Stream {
	if streams := u.streams.Load(); streams != nil {
		return (*streams)[name]
	}
	return Stream{}
}

// known returns nil if the streams have been seen since the start: before that their limits are unknown.
func (u *Upkeep) known() error {
	if u == nil || u.streams.Load() != nil {
		return nil
	}
	if err := u.Problem(); err != nil {
		return fmt.Errorf("%w: %w", errNotAsked, err)
	}
	return errNotAsked
}

// ask has Run ensure the streams if an error says that one may be missing.
func (u *Upkeep) ask(err error) {
	if u != nil && gone(err) {
		u.missing.Store(true)
	}
}

// The waits between two attempts to publish, doubling from the first to the second.
const (
	persistFirst = 25 * time.Millisecond
	persistLast  = 200 * time.Millisecond
)

// persist calls send until it succeeds, fails with an error that is not temporary, or ctx ends; a nil Upkeep calls it once. It returns
// send's last error.
func (u *Upkeep) persist(ctx context.Context, send func() error) error {
	for wait := persistFirst; ; wait = min(2*wait, persistLast) {
		err := send()
		if u == nil || err == nil || !Temporary(err) {
			return err
		}
		u.ask(err)
		if retry.Sleep(ctx, wait) != nil {
			return err
		}
	}
}
