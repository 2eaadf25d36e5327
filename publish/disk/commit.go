// Package disk knows the files in which the embedded NATS server keeps its streams: it syncs them for all waiting callers at once
// (group commit), checks that they are what it expects, and finds streams that a server has left.
// Nothing here connects to a server.
package disk

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// Committer syncs what a stream of the embedded server has acknowledged to disk, once for all waiting callers (group commit).
//
// With one replica the server writes a message to <store>/<account>/streams/<stream>/msgs/<n>.blk before it acknowledges
// it; so after the acknowledgement one fdatasync of the current block makes it durable. New blocks appear as n grows, and
// every one is synced before the callers whose messages may be in it return. CheckLayout verifies this layout.
//
// One goroutine syncs, and only while callers wait. A caller leaves when its context ends; the sync continues.
type Committer struct {
	Options
	files blockFiles // used by the goroutine that syncs

	mu      sync.Mutex
	next    *group // gathers while the one before it is synced; nil: no caller waits
	syncing bool
	delay   error          // why the sync in progress is repeated; nil: it is not
	failed  error          // why it is unknown what is on disk; nil: it is known
	syncer  sync.WaitGroup // the goroutine that syncs
}

// group is the callers that share a sync.
type group struct {
	done    chan struct{}
	waiting int  // that have not left
	all     bool // sync the whole stream, not only new messages
	err     error
}

// repeatFirst is the first pause before a sync that lost nothing is repeated; pauses double up to repeatMost.
const (
	repeatFirst = 5 * time.Millisecond
	repeatMost  = 100 * time.Millisecond
)

// errClosed is returned by a closed Committer.
var errClosed = errors.New("the committer is closed")

// lateError says that a sync did not finish before its caller's context ended, and why, if known.
type lateError struct{ delay, cause error }

func (e lateError) Error() string {
	if e.delay == nil {
		return "the disk did not sync in time"
	}
	return "the disk did not sync in time: " + e.delay.Error()
}

func (e lateError) Unwrap() []error { return []error{e.cause, e.delay} }

// Commit returns when all that the stream acknowledged before the call would survive a power cut. A sync that lost nothing is
// repeated until ctx ends, and the next call may succeed. Any other error is final.
func (c *Committer) Commit(ctx context.Context) error { return c.wait(ctx, false) }

// CommitAll is Commit for a deletion inside the stream, after which the server may have rewritten any block.
func (c *Committer) CommitAll(ctx context.Context) error {
	return c.wait(ctx, true)
}

// CommitHere is Commit in the goroutine of its caller, unless a sync is in progress: it costs a lone caller no change of goroutines, and
// returns only when its sync ends, even if ctx ends before.
func (c *Committer) CommitHere(ctx context.Context) error {
	c.mu.Lock()
	if c.failed != nil || c.syncing {
		c.mu.Unlock()
		return c.Commit(ctx)
	}
	c.syncing = true
	c.mu.Unlock()
	err := c.sync(&group{}, func() bool { return ctx.Err() != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.syncing = false
	} else {
		c.syncer.Go(c.syncGroups)
	}
	return err
}

// wait joins the next group, and returns when that is synced or ctx ends.
func (c *Committer) wait(ctx context.Context, all bool) error {
	c.mu.Lock()
	if c.failed != nil {
		defer c.mu.Unlock()
		return c.failed
	}
	g := c.next
	if g == nil {
		g = &group{done: make(chan struct{})}
		c.next = g
	}
	g.waiting, g.all = g.waiting+1, g.all || all
	if !c.syncing {
		c.syncing = true
		c.syncer.Go(c.syncGroups)
	}
	c.mu.Unlock()
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		g.waiting--
		return lateError{c.delay, ctx.Err()}
	}
}

// syncGroups syncs for one group after the other, until no caller waits.
func (c *Committer) syncGroups() {
	for {
		g := c.take()
		if g == nil {
			return
		}
		g.err = c.sync(g, func() bool { return c.left(g) })
		close(g.done)
	}
}

// take returns the next group, which accepts no more callers; nil: no caller waits.
func (c *Committer) take() *group {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.next
	c.next, c.syncing = nil, g != nil
	return g
}

// sync syncs for a group. It repeats attempts that lost nothing until all callers have left.
func (c *Committer) sync(g *group, left func() bool) error {
	for pause := repeatFirst; ; pause = min(2*pause, repeatMost) {
		err := c.attempt(g)
		if c.settle(err) || left() {
			return err
		}
		time.Sleep(pause)
	}
}

// attempt syncs once, unless a sync has failed permanently.
func (c *Committer) attempt(g *group) error {
	c.mu.Lock()
	failed := c.failed
	c.mu.Unlock()
	if failed != nil {
		return failed
	}
	if err := c.files.sync(); err != nil || !g.all {
		return err
	}
	return c.files.syncAll()
}

// settle notes how an attempt ended, and reports whether it was the last one. The owner receives the first final error.
func (c *Committer) settle(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = err
	var final finalError
	if errors.As(err, &final) && c.failed == nil {
		c.failed = err
		select {
		case c.Broken <- err.Error():
		default:
		}
	}
	return err == nil || c.failed != nil
}

// left reports whether all callers of a group have left.
func (c *Committer) left(g *group) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return g.waiting == 0
}

// Close waits for the sync in progress, and closes the files. No Commit may be in progress or follow.
func (c *Committer) Close() error {
	c.mu.Lock()
	if c.failed == nil {
		c.failed = errClosed
	}
	c.mu.Unlock()
	c.syncer.Wait()
	return c.files.close()
}

// Options are what a Committer reports and asks for; nil: it does not.
type Options struct {
	Holds  func(sequence uint64) (bool, error) // reports whether the stream holds a message
	Broken chan<- string                       // receives the first final error
}

// openTimeout bounds how long the first sync of a stream is repeated if it fails without losing anything.
const openTimeout = 5 * time.Second

// OpenCommitter returns a Committer of a stream of the server whose folder is dir, when everything that the stream holds is on disk.
func OpenCommitter(dir, stream string, options Options) (*Committer, error) {
	if err := syncTree(filepath.Join(dir, "jetstream"), flush); err != nil {
		return nil, fmt.Errorf("sync the store: %w", err)
	}
	c := &Committer{Options: options, files: blockFiles{folder: blocksOf(dir, stream), flush: flush, holds: options.Holds, index: -1}}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if err := c.Commit(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
