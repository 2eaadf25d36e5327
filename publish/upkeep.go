package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Upkeep makes sure of the streams of a remote NATS that takes events without a journal: at its start, after each new
// connection, and whenever an answer says that a stream is missing. Set the exported fields once.
type Upkeep struct {
	Conn *Conn
	// Ensure makes sure of the streams, and returns them by name. It says in plain words what is wrong.
	Ensure func(ctx context.Context, remote *Conn) (map[string]Stream, error)
	Log    *slog.Logger

	streams atomic.Pointer[map[string]Stream]
	problem atomic.Pointer[error] // why nothing can be stored; nil: it can
	missing atomic.Bool           // an answer said that a stream is
	said    string                // the problem that was logged last; empty: none. Run's own, as the next
	made    uint64                // connections that the streams were last made sure on
	asked   time.Time             // when that was last tried
	wait    time.Duration         // until the next try, after a failed one
}

const (
	// upkeepEvery is how often Upkeep looks whether there is something to do, which costs no question to the server; it asks
	// at most so often, and after failures up to upkeepLast apart.
	upkeepEvery = 100 * time.Millisecond
	upkeepLast  = time.Second
	// upkeepTimeout bounds a question about streams: a stream without a leader does not answer at all.
	upkeepTimeout = 5 * time.Second
)

// Start makes sure of the streams once, and returns what is wrong; Run goes on with it.
func (u *Upkeep) Start(ctx context.Context) error { return u.look(ctx) }

// Run keeps the streams until ctx ends.
func (u *Upkeep) Run(ctx context.Context) {
	ticker := time.NewTicker(upkeepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = u.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Problem returns why nothing can be stored on the remote; nil where it can, and for a nil Upkeep.
func (u *Upkeep) Problem() error {
	if u == nil {
		return nil
	}
	if problem := u.problem.Load(); problem != nil {
		return *problem
	}
	return nil
}

// look makes sure of the streams where there is a reason to, and notes and returns what is wrong.
func (u *Upkeep) look(ctx context.Context) error {
	if err := u.Conn.Up(); err != nil {
		u.wait = 0
		return u.note(err)
	}
	made := u.Conn.nats.Stats().Reconnects + 1
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
			u.Log.Info("the remote NATS takes events")
		}
		u.said = ""
		return nil
	case err.Error() != u.said:
		u.said = err.Error()
		u.Log.Error("the remote NATS cannot take events: callbacks are answered 503 until it can", "error", u.said)
	}
	u.problem.Store(&err)
	return err
}

// stream returns a stream as it was last seen; zero before.
func (u *Upkeep) stream(name string) Stream {
	if streams := u.streams.Load(); streams != nil {
		return (*streams)[name]
	}
	return Stream{}
}

// known returns nil when the streams have been seen since the start: until then it is unknown what they take.
func (u *Upkeep) known() error {
	if u == nil || u.streams.Load() != nil {
		return nil
	}
	if err := u.Problem(); err != nil {
		return fmt.Errorf("%w: %w", errNotAsked, err)
	}
	return errNotAsked
}

var errNotAsked = errors.New("the streams of the remote NATS are not known yet")

// ask has Run make sure of the streams if an error says that one may be missing.
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

// persist calls send until it succeeds, it fails with an error that is not temporary, or ctx ends; nil calls it once. It
// returns send's last error, and does not call it any more after that.
func (u *Upkeep) persist(ctx context.Context, send func() error) error {
	for wait := persistFirst; ; wait = min(2*wait, persistLast) {
		err := send()
		if u == nil || err == nil || !Temporary(err) {
			return err
		}
		u.ask(err)
		if Sleep(ctx, wait) != nil || ctx.Err() != nil { // both may have been ready
			return err
		}
	}
}
