package store

import (
	"context"
	"errors"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Check returns an error for each stream on a server that Open, or with records Records, would not take as it is. It makes and changes
// nothing.
func (c Config) Check(ctx context.Context, conn *publish.Conn, records bool) error {
	streams := []publish.StreamConfig{c.events(nil), c.quarantine()}
	if records {
		streams = append(streams, c.records())
	}
	var all []error
	for _, stream := range streams {
		if err := conn.CheckStream(ctx, stream); err != nil {
			all = append(all, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(all...)
}
