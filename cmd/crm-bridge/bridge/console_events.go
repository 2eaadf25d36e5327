package bridge

import (
	"context"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/publish/search"
)

// eventPages are the console's pages of events.
func (b *Bridge) eventPages() console.EventPages {
	tails := &search.Tails{Reach: b.Store.Dial, Stream: b.Settings.Stream}
	return console.EventPages{
		Stream: b.Settings.Stream,
		Search: func(ctx context.Context, q search.Query) (search.Page, error) {
			conn, err := b.Store.Reach()
			if err != nil {
				return search.Page{}, err
			}
			return (&search.Stream{Conn: conn, Name: b.Settings.Stream}).Page(ctx, q)
		},
		Tail: tails.Follow,
		Get: func(ctx context.Context, sequence uint64) (publish.Stored, error) {
			conn, err := b.Store.Reach()
			if err != nil {
				return publish.Stored{}, err
			}
			return conn.Get(ctx, b.Settings.Stream, sequence)
		},
		Consumers: func(ctx context.Context) ([]consumers.Consumer, error) {
			conn, err := b.Store.Reach()
			if err != nil {
				return nil, err
			}
			return consumers.List(ctx, conn, b.Settings.Stream)
		},
	}
}
