package store

import (
	"context"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Open opens what stores events: without a remote the embedded server, with one the journal in front of it, or with
// Config.Direct the remote itself.
func Open(ctx context.Context, c Config) (*EventStore, error) {
	if c.Apply {
		c.Log.Warn("BRIDGE_STREAM_APPLY is set: this start may shrink streams or move them to other subjects; unset it afterwards")
	}
	open := openJournal
	switch {
	case c.embedded():
		open = openStandalone
	case c.Direct:
		open = openDirect
	}
	s := &EventStore{Refused: &publish.Refused{}}
	if err := open(ctx, s, &streams{Config: c}, publish.NewMetrics(c.Registry)); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
