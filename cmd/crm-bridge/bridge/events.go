package bridge

import (
	"context"
	"sync"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/search"
)

// Events are those in the stream, for a person who looks at them. They are read over a connection of their own: what a search reads must
// not come between an event and its acknowledgement.
type Events struct {
	*search.Tails
	stream string

	mu   sync.Mutex
	conn *publish.Conn // nil: nobody has looked yet
}

// openEvents returns what looks at the events of the stream.
func openEvents(b *parts) *Events {
	return &Events{Tails: &search.Tails{Reach: b.Store.Dial, Stream: b.Settings.Stream}, stream: b.Settings.Stream}
}

// reach returns the connection, which is opened when it is first needed.
func (e *Events) reach(ctx context.Context) (*publish.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == nil {
		conn, err := e.Reach(ctx)
		if err != nil {
			return nil, err
		}
		e.conn = conn
	}
	return e.conn, e.conn.Up()
}

// Page returns the next part of what a query finds.
func (e *Events) Page(ctx context.Context, q search.Query) (search.Page, error) {
	conn, err := e.reach(ctx)
	if err != nil {
		return search.Page{}, err
	}
	return (&search.Stream{Conn: conn, Name: e.stream}).Page(ctx, q)
}

// Event returns the event with a sequence. The error is publish.ErrNoMessage if the stream does not hold it.
func (e *Events) Event(ctx context.Context, sequence uint64) (publish.Stored, error) {
	conn, err := e.reach(ctx)
	if err != nil {
		return publish.Stored{}, err
	}
	return conn.Get(ctx, e.stream, sequence)
}

// close closes the connection.
func (e *Events) close() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn != nil {
		e.conn.Close()
	}
}

// openReplays returns what runs replay jobs, on connections of their own.
func openReplays(b *parts) *replay.Runner {
	place := func(conn *publish.Conn, err error) (*replay.Place, error) {
		if err != nil {
			return nil, err
		}
		return ReplayPlace(b.Settings, conn, func(text string) { b.Log.Warn(text) }), nil
	}
	return &replay.Runner{
		Stream: b.Settings.Stream, Prefix: b.Settings.SubjectPrefix, Log: b.Log,
		Open: func(ctx context.Context) (*replay.Place, error) { return place(b.Store.Dial(ctx)) },
		Look: func() (*replay.Place, error) { return place(b.Store.Reach()) },
	}
}
