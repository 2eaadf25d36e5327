package bridge

import (
	"context"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/search"
)

// Events are those in the stream, for a person who looks at them.
type Events struct {
	*search.Tails
	bridge *Bridge
}

// openEvents returns what looks at the events of the stream.
func (b *Bridge) openEvents() *Events {
	return &Events{&search.Tails{Reach: b.Store.Dial, Stream: b.Settings.Stream}, b}
}

// Page returns the next part of what a query finds.
func (e *Events) Page(ctx context.Context, q search.Query) (search.Page, error) {
	conn, err := e.bridge.Store.Reach()
	if err != nil {
		return search.Page{}, err
	}
	return (&search.Stream{Conn: conn, Name: e.bridge.Settings.Stream}).Page(ctx, q)
}

// Event returns the event with a sequence. The error is publish.ErrNoMessage if the stream does not hold it.
func (e *Events) Event(ctx context.Context, sequence uint64) (publish.Stored, error) {
	conn, err := e.bridge.Store.Reach()
	if err != nil {
		return publish.Stored{}, err
	}
	return conn.Get(ctx, e.bridge.Settings.Stream, sequence)
}

// openReplays returns what runs replay jobs, on connections of their own.
func (b *Bridge) openReplays() *replay.Runner {
	return &replay.Runner{Stream: b.Settings.Stream, Prefix: b.Settings.SubjectPrefix, Log: b.Log, Open: func(ctx context.Context) (*replay.Place, error) {
		conn, err := b.Store.Dial(ctx)
		if err != nil {
			return nil, err
		}
		return ReplayPlace(b.Settings, conn, func(text string) { b.Log.Warn(text) }), nil
	}}
}
