package publish

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// The waits between two attempts to reach the remote, doubling from the first to the second.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
)

// Run forwards until ctx ends. It resumes whenever the remote is reachable again.
func (f *Forwarder) Run(ctx context.Context) {
	wait := retryFirst
	for {
		forwarded, err := f.attempt(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errRetryAside) || errors.Is(err, errAgain) {
			forwarded = true
		} else {
			f.interrupted(err)
		}
		if forwarded {
			wait = retryFirst
		}
		if retry.Sleep(ctx, wait) != nil {
			return
		}
		wait = min(2*wait, retryLast)
	}
}

// attempt forwards over one connection until something fails: a connection that reconnects by itself could send a later message
// before an earlier one. It reports whether anything was forwarded.
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
	conn, err := f.Remote.with(f.cluster).dialWithin(ctx, append(ConnOptions(f.Log), nats.NoReconnect(), nats.FlusherTimeout(forwardTimeout/2),
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
	f.end.Store(&end)
	f.conn.Store(conn)
	defer f.conn.Store(nil)
	f.reason.Store(nil)
	if n, _, err := f.Pending(ctx); n == 0 && err == nil {
		f.resumed()
	}
	run := &run{Forwarder: f, remote: conn, streams: streams, known: f.stored, end: end}
	run.bringBack(ctx)
	err = run.forward(ctx)
	if run.again == nil {
		f.asideWait = 0
	} else {
		run.again.Stop()
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return run.settled > 0, err
}
