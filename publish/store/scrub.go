package store

import (
	"context"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// scrubs bounds how often a stream's files are searched for what the server has written again meanwhile.
const scrubs = 5

// scrubbed returns streams of the embedded server with their Scrub.
func (l *local) scrubbed(all []Holding) []Holding {
	for i := range all {
		all[i].Scrub = l.scrub(all[i].Stream)
	}
	return all
}

func (l *local) scrub(stream string) func(ctx context.Context, names func(publish.Stored) bool) error {
	return func(ctx context.Context, names func(publish.Stored) bool) error {
		for range scrubs {
			standing, err := l.conn.Standing(ctx, stream)
			if err != nil || standing == nil {
				return err
			}
			n, err := disk.Scrub(l.serves.Dir, stream, func(m disk.Message) (bool, error) {
				if m.Sequence > standing.Last || ctx.Err() != nil {
					return false, ctx.Err()
				}
				if !l.overwrote.has(stream, m.Sequence) {
					stored, err := publish.StoredAs(m.Sequence, m.Subject, m.Header, m.Data)
					if err != nil || !names(stored) {
						return false, nil //nolint:nilerr // not a message of ours
					}
				}
				held, err := l.conn.Holds(ctx, stream, m.Sequence)
				if err != nil || held {
					return false, err
				}
				l.overwrote.add(stream, m.Sequence)
				return true, nil
			})
			if n == 0 || err != nil {
				return err
			}
		}
		return nil
	}
}
