package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// roomAgain is the free disk from which a store that broke is worth opening again; of a small disk a tenth.
const roomAgain = 64 << 20

// watchEvery is how often the embedded store is checked.
const watchEvery = time.Second

// watch returns an error when only a new start can use the embedded store again: one of the streams is missing, or it has
// broken, as it does when the disk is full, and there is room again or everything in it was forwarded. Until then nothing can
// be stored. It returns nil when ctx ends.
func (l *local) watch(ctx context.Context, streams []string, forwarded func(context.Context) bool) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for broken := l.server.Broken(); ; {
		select {
		case reason := <-broken:
			l.broke.Store(&reason)
			broken = nil // the first reason says it
		case <-ticker.C:
			if err := l.reopen(ctx, streams, forwarded); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// reopen returns why the store must be opened again now, which takes a new start; nil: it need not, or cannot yet.
func (l *local) reopen(ctx context.Context, streams []string, forwarded func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	reason := l.broken()
	if reason == nil {
		for _, stream := range streams {
			if l.conn.Lacks(ctx, stream) {
				return fmt.Errorf("stream %s of the embedded server was deleted: a restart creates it again", stream)
			}
		}
		return nil
	}
	folder := l.serves.Dir
	switch {
	case freeBytes(folder) > min(roomAgain, diskBytes(folder)/10) && l.Probe(ctx) == nil:
		return fmt.Errorf("the embedded store broke (%w) and there is room again: a restart reopens it", reason)
	case forwarded(ctx):
		return fmt.Errorf("the store of the journal broke (%w) and everything in it was forwarded: a restart reopens it", reason)
	}
	return nil
}

// broken returns why the store takes nothing more; nil: it does.
func (l *local) broken() error {
	if reason := l.broke.Load(); reason != nil {
		return errors.New(*reason)
	}
	return nil
}
