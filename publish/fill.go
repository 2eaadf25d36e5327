package publish

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Fill is how full a stream is.
type Fill struct {
	Messages, Bytes uint64
	MaxBytes        int64     // at most 0: no limit
	Oldest          time.Time // when its first message was stored; zero: it is empty
	Rejects         bool      // at the limit new messages are rejected; else the oldest are dropped
	Own             bool      // the bridge made it
}

// Fill returns how full a stream is; nil: there is no such stream. The server reads none of its messages.
func (c *Conn) Fill(ctx context.Context, stream string) (*Fill, error) {
	have, err := c.stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info := have.CachedInfo()
	fill := &Fill{
		Messages: info.State.Msgs, Bytes: info.State.Bytes, MaxBytes: info.Config.MaxBytes,
		Rejects: info.Config.Discard == jetstream.DiscardNew, Own: info.Config.Metadata[ours] == oursValue,
	}
	if fill.Messages > 0 {
		fill.Oldest = info.State.FirstTime
	}
	return fill, nil
}
