package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// lettersAge is how long it is remembered that a consumer gave up on a message.
const lettersAge = 30 * 24 * time.Hour

// deadLetters is the stream of what consumers gave up on. It takes what NATS itself publishes about consumers of the bridge's streams.
func (c Config) deadLetters() publish.StreamConfig {
	return publish.StreamConfig{
		Name: c.deadStream(), Description: "What consumers gave up on: advisories of NATS, without the messages",
		Subjects: consumers.Advisories(c.read()...),
		MaxAge:   lettersAge, DefaultMaxBytes: c.room(lettersRoom), Replicas: c.Replicas, Duplicates: 2 * time.Minute,
		Overlap: "remove that subject from it, or the bridge cannot list what consumers gave up on",
	}
}

// letters keeps the stream of what consumers gave up on. Nothing depends on it: where it cannot be made, events are stored all the same.
type letters struct {
	*streams
	reach  func() (*publish.Conn, error)
	dir    string                 // of the embedded server, whose streams this process syncs; empty: it need not
	synced uint64                 // sequence up to which the stream is synced
	why    atomic.Pointer[string] // why the list is not kept; nil: it is, or that is not known yet
}

const (
	// lettersEvery is how often the stream is looked up, lettersUnmade how often it is tried to make it after that has failed.
	lettersEvery  = 30 * time.Second
	lettersUnmade = 10 * time.Minute
	// lettersDown is the time between two attempts to reach the server.
	lettersDown = time.Second
)

// read are the streams that consumers read.
func (c Config) read() []string {
	return []string{c.Stream, c.recordsStream(), c.replayStream(), c.quarantineStream()}
}

// view returns who reads the streams, and what they gave up on.
func (l *letters) view() *consumers.View {
	list := &consumers.DeadLetters{Stream: l.deadStream(), Reach: l.Reach, Marks: l.Config.State(l.reach)}
	if l.dir != "" {
		list.Commit = func(context.Context) error { return disk.SyncStream(l.dir, l.deadStream()) }
	}
	return &consumers.View{Reach: l.reach, Streams: l.read(), Dead: list}
}

// Reach returns the connection to the server that has the stream, or why the list is not kept.
func (l *letters) Reach() (*publish.Conn, error) {
	if why := l.why.Load(); why != nil {
		return nil, fmt.Errorf("%w: %s", consumers.ErrNoList, *why)
	}
	return l.reach()
}

// run keeps the stream until ctx ends.
func (l *letters) run(ctx context.Context) {
	for wait := time.Duration(0); ; {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		conn, err := l.reach()
		if wait = lettersEvery; err != nil {
			wait = lettersDown
			continue
		}
		if err := l.keep(ctx, conn); err != nil && ctx.Err() == nil {
			if wait = lettersUnmade; conn.Up() != nil || publish.Temporary(err) {
				wait = lettersDown
			}
		}
	}
}

// keep makes the stream where it is missing, and syncs it. It notes why it cannot be made.
func (l *letters) keep(ctx context.Context, conn *publish.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	if _, made := l.ensured.Load(l.deadStream()); made && !conn.Lacks(ctx, l.deadStream()) {
		return l.syncNew(ctx, conn)
	}
	_, err := l.ensure(ctx, conn, l.deadLetters())
	switch {
	case err == nil:
		l.why.Store(nil)
		return l.syncNew(ctx, conn)
	case conn.Up() != nil || publish.Temporary(err) || errors.Is(err, context.Canceled):
		return err
	}
	why := l.explain(err)
	l.why.Store(&why)
	l.warnOnce("what consumers give up on is not listed: " + why)
	return err
}

// syncNew brings to the disk what the stream has taken since it was last synced.
func (l *letters) syncNew(ctx context.Context, conn *publish.Conn) error {
	if l.dir == "" {
		return nil
	}
	last, err := conn.LastSequence(ctx, l.deadStream())
	if err == nil && last != l.synced {
		if err = disk.SyncStream(l.dir, l.deadStream()); err == nil {
			l.synced = last
		}
	}
	return err
}

// explain says why the stream cannot be made, and what to do.
func (l *letters) explain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		config := l.deadLetters()
		return fmt.Sprintf("NATS does not answer; permit the user of the bridge to publish to $JS.API.STREAM.*.%s, or make that stream yourself, on the subjects %s", config.Name, strings.Join(config.Subjects, ", "))
	}
	return err.Error()
}
