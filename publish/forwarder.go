package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Forwarder brings what is in a journal to a remote NATS: in the order of the journal, at least once, each with its id, and
// takes it out of the journal when the remote has acknowledged it. Set the exported fields once.
type Forwarder struct {
	Journal *Journal
	Refused *Refused
	Remote  Address
	// Ensure makes sure of the remote's streams, at each new connection. It returns those that messages are for, by name.
	Ensure  func(ctx context.Context, remote *Conn) (map[string]Stream, error)
	Metrics *Metrics
	Log     *slog.Logger

	conn   atomic.Pointer[Conn]   // nil: the remote cannot be used now
	reason atomic.Pointer[string] // why it cannot
	said   atomic.Pointer[string] // the interruption that was logged last; nil: it is over
	done   atomic.Uint64          // the last message that the remote is done with, as all before it; 0: none since the start
	held   atomic.Uint64          // sequence of the message that is still in the journal although the remote has it; 0: none

	cluster []string        // servers that were known at the last connection, told of by the remote or not; Run's own, as the next
	stored  map[uint64]bool // what the remote had stored out of turn when the last run ended
	failed  uint64          // the last message beside the events that found its stream missing; 0: none
	served  bool            // nothing that is set aside waits for a stream of the remote
	lookIn  time.Duration   // how long what waits was last given until it is tried again
}

// The waits between two attempts to reach the remote, doubling from the first to the second.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
)

// Run forwards until ctx ends. Whatever becomes of the remote, it goes on when the remote is back.
func (f *Forwarder) Run(ctx context.Context) {
	wait := retryFirst
	for {
		forwarded, err := f.attempt(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errLookAgain) {
			forwarded = true
		} else {
			f.say(err)
		}
		if forwarded {
			wait = retryFirst
		}
		if Sleep(ctx, wait) != nil {
			return
		}
		wait = min(2*wait, retryLast)
	}
}

// attempt forwards over one connection, for as long as everything goes well: a connection that came back by itself could
// bring a later message before an earlier one. It reports whether anything was forwarded.
func (f *Forwarder) attempt(ctx context.Context) (forwarded bool, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	lost := func(nc *nats.Conn) {
		err := nc.LastError()
		if err == nil {
			err = errors.New("connection lost")
		}
		end(err)
	}
	conn, err := f.Remote.with(f.cluster).dialWithin(ctx, append(connOptions(f.Log), nats.NoReconnect(), nats.FlusherTimeout(forwardTimeout/2),
		nats.DisconnectErrHandler(nil), nats.ClosedHandler(lost)))
	if err != nil {
		return false, err
	}
	defer conn.Close()
	f.cluster = conn.nats.Servers()
	streams, err := f.Ensure(ctx, conn)
	if err != nil {
		return false, err
	}
	f.conn.Store(conn)
	defer f.conn.Store(nil)
	f.reason.Store(nil)
	if n, _, err := f.Journal.Pending(ctx); n == 0 && err == nil {
		f.working()
	}
	run := &run{Forwarder: f, remote: conn, streams: streams, known: f.stored, end: end}
	run.bringBack(ctx)
	err = run.forward(ctx)
	if run.again == nil {
		f.lookIn = 0
	} else {
		run.again.Stop()
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return run.settled > 0, err
}

// say logs why forwarding is interrupted, once for each reason in a row.
func (f *Forwarder) say(err error) {
	text := err.Error()
	f.reason.Store(&text)
	if old := f.said.Swap(&text); old == nil || *old != text {
		f.Log.Warn("forwarding is interrupted: events wait in the journal", "error", text)
	}
}

// working logs that forwarding is not interrupted any more.
func (f *Forwarder) working() {
	if f.said.Swap(nil) != nil {
		f.Log.Info("the remote NATS is back: forwarding what is in the journal")
	}
}

// Reach returns the connection to the remote, or why there is none now.
func (f *Forwarder) Reach() (*Conn, error) {
	if conn := f.conn.Load(); conn != nil {
		return conn, nil
	}
	if reason := f.reason.Load(); reason != nil {
		return nil, fmt.Errorf("forwarding is interrupted: %s", *reason)
	}
	return nil, errors.New("the remote NATS is not reached yet")
}

// Pending returns how many messages the remote has not acknowledged yet, and since when the oldest waits.
func (f *Forwarder) Pending(ctx context.Context) (n uint64, oldest time.Time, err error) {
	n, oldest, err = f.Journal.Pending(ctx)
	held := f.held.Load()
	if err != nil || n == 0 || held == 0 {
		return n, oldest, err
	}
	if n--; n == 0 {
		return 0, time.Time{}, nil
	}
	oldest, err = f.Journal.after(ctx, held)
	return n, oldest, err
}

// Done reports whether the remote is done with everything that the journal holds, even if nothing can leave it any more.
func (f *Forwarder) Done(ctx context.Context) bool {
	last, err := f.Journal.last(ctx)
	return err == nil && f.done.Load() >= last
}

// Empty returns when nothing is pending, the remote cannot be used, or ctx has ended.
func (f *Forwarder) Empty(ctx context.Context) {
	for f.conn.Load() != nil && ctx.Err() == nil {
		if n, _, err := f.Pending(ctx); n == 0 || err != nil {
			return
		}
		_ = Sleep(ctx, 10*time.Millisecond)
	}
}
