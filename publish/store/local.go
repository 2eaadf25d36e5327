package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

// local is an embedded server, and what syncs its streams.
type local struct {
	*streams
	serves     embedded.Config
	server     *embedded.Server
	conn       *publish.Conn
	committers map[string]*disk.Committer // by stream
	overwrote  overwrote
	broke      atomic.Pointer[string] // why the store takes nothing more; nil: it does
}

// streamsTimeout bounds how long the start asks the server about its streams.
const streamsTimeout = 15 * time.Second

// openLocal starts the server. The caller closes what it returns, even after an error.
func openLocal(ctx context.Context, s *streams, serves embedded.Config) (*local, error) {
	l := &local{streams: s, serves: serves, committers: map[string]*disk.Committer{}}
	return l, l.open(ctx)
}

func (l *local) open(ctx context.Context) (err error) {
	if l.server, err = embedded.Open(ctx, l.serves); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("cannot listen on %s: address already in use; stop what listens there, or set BRIDGE_NATS_LISTEN to a free address", l.serves.Listen)
		}
		if l.serves.Listen != "" {
			err = fmt.Errorf("BRIDGE_NATS_LISTEN: %w", err)
		}
		return err
	}
	l.conn, err = l.server.Connect()
	return err
}

// reach returns the connection to the server, or why it is down.
func (l *local) reach() (*publish.Conn, error) { return l.conn, l.conn.Up() }

// ensure ensures a stream of the server.
func (l *local) ensure(ctx context.Context, config publish.StreamConfig) (publish.Stream, error) {
	stream, err := l.streams.ensure(ctx, l.conn, config)
	if err != nil || stream.Memory || config.BytesVariable == "" {
		return stream, err
	}
	if warning := beyondDisk(stream, config.BytesVariable, freeBytes(l.serves.Dir), l.serves.Dir); warning != "" {
		l.warnOnce(warning)
	}
	return stream, nil
}

// commits reports whether Committers sync streams; else the server does, or nothing.
func (l *local) commits() bool { return l.serves.Sync == embedded.Sync{} }

// onDisk syncs a stream: after an acknowledgement, for a caller that waits for nothing else meanwhile, and after a deletion.
type onDisk struct{ commit, here, all publish.Commit }

// openCommitters returns what syncs a stream that takes events, and the one beside it.
func (l *local) openCommitters(ctx context.Context, stream publish.Stream, beside string) (first, second onDisk, err error) {
	// Only now: when a server deletes its last stream it also removes the folder of all streams, which the next one needs.
	if err = l.checkLayout(ctx); err != nil {
		return first, second, err
	}
	if l.commits() && (stream.Packed || stream.Memory) {
		return first, second, fmt.Errorf("BRIDGE_SYNC=commit needs stream %s in files and uncompressed: set BRIDGE_SYNC=server", stream.Name)
	}
	if first, err = l.committer(stream.Name); err == nil {
		second, err = l.committer(beside)
	}
	return first, second, err
}

func (l *local) committer(stream string) (onDisk, error) {
	if !l.commits() {
		return onDisk{}, nil
	}
	committer, err := l.server.Committer(stream)
	if err != nil {
		return onDisk{}, err
	}
	l.committers[stream] = committer
	return onDisk{committer.Commit, committer.CommitHere, committer.CommitAll}, nil
}

// checkLayout checks that the store has the layout that a Committer expects. Where it has not, the server is opened again,
// and syncs each event itself.
func (l *local) checkLayout(ctx context.Context) error {
	if !l.commits() {
		return nil
	}
	err := l.server.CheckLayout(ctx, l.conn, l.Stream+"_PROBE")
	if err == nil {
		return nil
	}
	l.Log.Warn("the layout of the embedded server's store is not the expected one: each event is synced on its own, which is slower", "error", err)
	l.conn.Close()
	l.server.Close()
	l.serves.Sync = embedded.Sync{Server: true}
	return l.open(ctx)
}

// ready returns nil when the disk would take an event now.
func (l *local) ready(ctx context.Context) error {
	for _, committer := range l.committers {
		if err := committer.Commit(ctx); err != nil {
			return err
		}
	}
	return l.Probe(ctx)
}

// warnOfLeftovers warns of streams in the data folder that the current configuration neither forwards nor shows.
func (l *local) warnOfLeftovers(ctx context.Context, ours ...string) error {
	held, err := l.conn.NotCopied(ctx)
	for name, messages := range held {
		switch {
		case messages == 0 || slices.Contains(ours, name):
		case name == l.Stream: // before there was a remote
			l.Log.Warn("the data folder holds events that are not in the remote NATS: stop the bridge and run crm-bridge copy --from embedded", "stream", name, "events", messages)
		case strings.HasSuffix(name, journalSuffix):
			l.Log.Error("the data folder has a journal that is not forwarded: set BRIDGE_STREAM and BRIDGE_NATS_URL as they were until it is empty", "stream", name, "events", messages)
		default:
			l.Log.Warn("the data folder has a stream of an earlier BRIDGE_STREAM or BRIDGE_NATS_URL: it is kept and not forwarded", "stream", name, "messages", messages)
		}
	}
	return err
}

// close stops the server, after everything that depends on it.
func (l *local) close() {
	if l.conn != nil {
		l.conn.Close()
	}
	for _, committer := range l.committers {
		_ = committer.Close()
	}
	clear(l.committers)
	if l.server != nil {
		l.server.Close()
	}
}
