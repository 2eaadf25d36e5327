package main

import (
	"context"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
)

// wakeTimeout bounds how long an installation waits until the replica that keeps subscriptions can see it.
const wakeTimeout = 5 * time.Second

// joinKeeper gives the APIs what replicas share, and has the keeper keep what they are for.
func joinKeeper(keeper *keep.Keeper, apis map[string]*api, sources map[string]ingest.Source) {
	for _, one := range apis {
		one.attach(keeper.State)
		if one.join != nil {
			one.join(sources, func() {
				ctx, cancel := context.WithTimeout(context.Background(), wakeTimeout)
				defer cancel()
				if err := keeper.Wake(ctx); err != nil {
					keeper.Log.Warn("what an installation needs is done later", "error", err)
				}
			})
		}
		keeper.Kept = append(keeper.Kept, one.kept)
	}
}
