package bridge

import (
	"context"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// consumerPages are the console's pages of consumers.
func (b *parts) consumerPages() console.ConsumerPages {
	view, routes := b.Store.Consumers, &consumerRoutes{b.Store.Consumers, b.Log}
	return console.ConsumerPages{
		Stream: b.Settings.Stream, List: view.List, Dead: view.Dead.Newest, Clear: routes.clearUpTo, Clearable: routes.listedUpTo,
		Pause: func(ctx context.Context, stream, name string, until time.Time) error {
			conn, err := view.Reach()
			if err == nil {
				_, err = consumers.Pause(ctx, conn, stream, name, until)
			}
			return err
		},
		Resume: func(ctx context.Context, stream, name string) error {
			conn, err := view.Reach()
			if err == nil {
				_, err = consumers.Resume(ctx, conn, stream, name)
			}
			return err
		},
		Foresee: func(ctx context.Context, stream, name string, to consumers.Target) (consumers.Effect, error) {
			conn, err := view.Reach()
			if err != nil {
				return consumers.Effect{}, err
			}
			return consumers.Foresee(ctx, conn, stream, name, to)
		},
		Reset: func(ctx context.Context, stream, name string, to consumers.Target) error {
			conn, err := view.Reach()
			if err == nil {
				_, err = consumers.Reset(ctx, conn, stream, name, to)
			}
			return err
		},
	}
}
