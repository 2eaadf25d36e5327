package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
	"github.com/crm-bridge/crm-bridge/ingest/trace"

	"github.com/nats-io/nats.go"
)

// Forwarder sends the messages of a journal to a remote NATS: in order, at least once, each with its id. It removes each from the
// journal when the remote has acknowledged it. Set the exported fields once.
type Forwarder struct {
	Journal *Journal
	Refused *Refused
	Remote  Address
	// Ensure ensures the remote's streams, at each new connection. It returns those that messages are for, by name.
	Ensure  func(ctx context.Context, remote *Conn) (map[string]Stream, error)
	Metrics *Metrics
	Log     *slog.Logger

	conn   atomic.Pointer[Conn]                    // nil: the remote is not usable now
	reason atomic.Pointer[string]                  // why it is not
	said   atomic.Pointer[string]                  // the interruption that was last logged; nil: it is over
	done   atomic.Uint64                           // the last message that was settled, as all before it; 0: none since the start
	end    atomic.Pointer[context.CancelCauseFunc] // ends forwarding over the connection

	cluster   []string        // servers known at the last connection, discovered ones too; only Run uses it, as those below
	stored    map[uint64]bool // what the remote had stored out of order when the last run ended
	failed    uint64          // the last message other than an event whose stream was missing; 0: none
	noneAside bool            // nothing is set aside for a stream of the remote
	asideWait time.Duration   // the last wait before what is set aside was retried
}

// run is forwarding over one connection.
type run struct {
	*Forwarder
	remote    *Conn
	answers   *answers
	streams   map[string]Stream
	known     map[uint64]bool // what the remote has stored out of order in earlier runs
	settled   uint64          // the last message that was settled; 0: none in this run
	settledAt time.Time
	end       context.CancelCauseFunc
	again     *time.Timer // ends the run to retry what is set aside; nil: nothing is
}

// passing is a message in flight.
type passing struct {
	msg      *nats.Msg // as it is sent to the remote
	stream   string    // of the remote
	id       string
	sequence uint64 // in the journal
	ack      string // the subject of its acknowledgement to the journal
	bytes    int64
	at       time.Time
	stored   bool  // the remote has stored it in an earlier run
	err      error // why it was not sent
	span     *trace.Span
}

// permanentError is an error that every further attempt meets too.
type permanentError struct{ error }

// streamError is an error that stops only the messages of one stream, until the stream is repaired.
type streamError struct{ error }

// interrupted logs why forwarding is interrupted, once per distinct error.
func (f *Forwarder) interrupted(err error) {
	text := err.Error()
	f.reason.Store(&text)
	if old := f.said.Swap(&text); old == nil || *old != text {
		f.Log.Warn("forwarding is interrupted: events wait in the journal", "error", text)
	}
}

// resumed logs that forwarding is no longer interrupted.
func (f *Forwarder) resumed() {
	if f.said.Swap(nil) != nil {
		f.Log.Info("the remote NATS is reachable again: forwarding the journal")
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
	return nil, errors.New("the remote NATS has not been reached yet")
}

// Pending returns how many messages the remote has not acknowledged yet, and when the oldest of them was stored.
func (f *Forwarder) Pending(ctx context.Context) (n uint64, oldest time.Time, err error) {
	state, err := f.Journal.state(ctx)
	done := f.done.Load() // settled messages may still be in the journal
	switch {
	case err != nil || state.Msgs == 0:
		return 0, oldest, err
	case done < state.FirstSeq:
		return state.Msgs, state.FirstTime, nil
	case done >= state.LastSeq:
		return 0, oldest, nil
	}
	oldest, err = f.Journal.after(ctx, done)
	return min(state.Msgs, state.LastSeq-done), oldest, err
}

// errAgain says that forwarding begins again with the first message of the journal.
var errAgain = errors.New("forwarding begins again")

// Again has forwarding begin again with the first message of the journal: of what the journal no longer holds nothing is sent then. It
// returns when nothing of before is in flight and the remote is usable again; at once where it is not usable.
func (f *Forwarder) Again(ctx context.Context) error {
	conn := f.conn.Load()
	if conn == nil {
		return nil
	}
	(*f.end.Load())(errAgain)
	for next := conn; next == conn || next == nil && f.reason.Load() == nil; next = f.conn.Load() {
		if err := retry.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// Done reports whether everything in the journal is settled, even if nothing can be removed from it any more.
func (f *Forwarder) Done(ctx context.Context) bool {
	state, err := f.Journal.state(ctx)
	return err == nil && (state.Msgs == 0 || f.done.Load() >= state.LastSeq)
}

// Empty returns when nothing is pending, the remote is not usable, or ctx has ended.
func (f *Forwarder) Empty(ctx context.Context) {
	for f.conn.Load() != nil && ctx.Err() == nil {
		if n, _, err := f.Pending(ctx); n == 0 || err != nil {
			return
		}
		_ = retry.Sleep(ctx, 10*time.Millisecond)
	}
}
