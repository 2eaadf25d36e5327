package publish

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// LastSequence returns the sequence of the stream's last message.
func (p *Publisher) LastSequence(ctx context.Context) (uint64, error) {
	stream, err := p.Conn.js.Stream(ctx, p.Stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", p.Stream, err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// StoredSince returns the ids of a provider's events that the stream holds behind a sequence.
func (p *Publisher) StoredSince(ctx context.Context, after uint64, provider string) (map[string]bool, error) {
	stored := map[string]bool{}
	err := p.eachHeader(ctx, after+1, p.Prefix+"."+provider+".>", func(header nats.Header) error {
		stored[header.Get(nats.MsgIdHdr)] = true
		return nil
	})
	return stored, err
}

// readWait is how long a message that should be there may take to come.
const readWait = 10 * time.Second
