package bridge

import (
	"context"
	"slices"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// eventPages are the console's pages of events.
func (b *parts) eventPages(events *Events) console.EventPages {
	return console.EventPages{
		Stream: b.Settings.Stream, Search: events.Page, Tail: events.Follow, Get: events.Event,
		Consumers: func(ctx context.Context) ([]consumers.Consumer, error) {
			all, err := b.Store.Consumers.List(ctx)
			return slices.DeleteFunc(all, func(one consumers.Consumer) bool { return one.Stream != b.Settings.Stream }), err
		},
	}
}
