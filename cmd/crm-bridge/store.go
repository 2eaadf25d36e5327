package main

import (
	"context"
	"fmt"
	"time"
)

// roomAgain is the free disk from which a store that broke is worth opening again; of a small disk a tenth.
const roomAgain = 64 << 20

// storeEvery is how often the embedded store is looked at.
const storeEvery = time.Second

// watchStore returns an error when only a new start can use the embedded store again: a stream of it is missing, or it has
// broken, as it does when the disk is full, and there is room again or nothing more to forward from it. Until then every
// callback is answered with 503.
func (b *bridge) watchStore(ctx context.Context) error {
	if b.server == nil {
		<-ctx.Done()
		return context.Canceled
	}
	var reason string
	broken := b.server.Broken()
	for ticker := time.NewTicker(storeEvery); ; {
		select {
		case reason = <-broken:
			b.state.broken.Store(&reason)
			broken = nil // the first reason says it
		case <-ticker.C:
			if err := b.reopen(ctx, reason); err != nil {
				ticker.Stop()
				return err
			}
		case <-ctx.Done():
			ticker.Stop()
			return context.Canceled
		}
	}
}

// reopen returns why the store must be opened again now, which takes a new start; nil: it need not, or cannot yet.
func (b *bridge) reopen(ctx context.Context, broken string) error {
	ctx, cancel := context.WithTimeout(ctx, storeEvery)
	defer cancel()
	switch {
	case broken == "":
		for _, stream := range b.localStreams() {
			if b.conn.Lacks(ctx, stream) {
				return fmt.Errorf("stream %s of the embedded server was deleted: a new start makes it again", stream)
			}
		}
	case freeBytes(b.data.Path) > min(roomAgain, diskBytes(b.data.Path)/10) && b.data.Probe(ctx) == nil:
		return fmt.Errorf("the embedded store broke (%s) and there is room again: a new start opens it", broken)
	case b.forwarder != nil && b.forwarder.Done(ctx):
		return fmt.Errorf("the store of the journal broke (%s) and everything in it was forwarded: a new start opens it", broken)
	}
	return nil
}

// localStreams are those of the embedded server that the bridge cannot work without.
func (b *bridge) localStreams() []string {
	if b.settings.Journaled() {
		return []string{b.journalStream(), b.refusedStream()}
	}
	return []string{b.settings.Stream, b.quarantineStream()}
}
