package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
)

func (b *bridge) journalStream() string { return b.settings.Stream + "_JOURNAL" }
func (b *bridge) refusedStream() string { return b.settings.Stream + "_REFUSED" }

// openJournal makes callbacks safe in a local stream, from where a forwarder brings them to the remote NATS. That one need
// not be there now; where it is, its streams must fit.
func (b *bridge) openJournal(ctx context.Context) error {
	journal, err := b.openLocalStreams(ctx)
	if err != nil {
		return err
	}
	b.wireJournal(journal)
	b.durability = b.describeDurability(journal)
	if err := b.lookAtRemote(ctx); err != nil {
		return err
	}
	return b.warnOfLeftovers(ctx)
}

// openLocalStreams makes sure of the journal, which it returns, and of the stream for what the remote refuses.
func (b *bridge) openLocalStreams(ctx context.Context) (journal publish.Stream, err error) {
	ctx, cancel := context.WithTimeout(ctx, streamsTimeout)
	defer cancel()
	journal, err = b.ensure(ctx, b.conn, publish.StreamConfig{
		Name: b.journalStream(), Description: "Events on their way to the remote NATS", Subjects: []string{b.journalStream() + ".>"},
		MaxBytes: int64(b.settings.JournalMaxBytes), DefaultMaxBytes: eventsRoom.on(b.settings.DataDir, true), Replicas: 1, Duplicates: b.duplicates(),
		DiscardNew: true, WorkQueue: true, BytesVariable: "BRIDGE_JOURNAL_MAX_BYTES",
	})
	if err != nil {
		return journal, err
	}
	_, err = b.ensure(ctx, b.conn, publish.StreamConfig{
		Name: b.refusedStream(), Description: "What the remote NATS refuses for good", Subjects: []string{b.refusedStream() + ".>"},
		DefaultMaxBytes: quarantineRoom.on(b.settings.DataDir, true), Replicas: 1, Duplicates: 2 * time.Minute, DiscardNew: true,
	})
	if err != nil {
		return journal, err
	}
	return journal, b.openCommitters(ctx, journal, b.refusedStream())
}

// wireJournal lets events and quarantined callbacks into the journal, and from there to the remote.
func (b *bridge) wireJournal(journal publish.Stream) {
	s := b.settings
	b.publisher = &publish.Publisher{
		Conn: b.conn, Stream: s.Stream, Journal: journal.Name, Prefix: s.SubjectPrefix, Mode: s.EventMode, MaxBytes: journal.MaxBytes, Metrics: b.published,
	}
	b.refused = &publish.Refused{Shelf: publish.Shelf{Stream: b.refusedStream(), Reach: b.local}, Conn: b.conn}
	b.forwarder = &publish.Forwarder{
		Journal: &publish.Journal{Conn: b.conn, Stream: journal.Name}, Refused: b.refused, Remote: s.NATS.Remote(),
		Ensure: b.ensureRemote, Metrics: b.published, Log: b.log,
	}
	b.quarantine = &publish.Quarantine{
		Shelf: publish.Shelf{Stream: b.quarantineStream(), Reach: b.forwarder.Reach}, Conn: b.conn, Journal: journal.Name, Prefix: s.SubjectPrefix,
	}
	if b.groupCommit {
		commit, aside := b.committers[0].Commit, b.committers[1]
		b.publisher.Commit, b.quarantine.Commit, b.forwarder.Journal.Commit = commit, commit, commit
		b.refused.Commit, b.refused.CommitAll = aside.Commit, aside.CommitAll
	}
	b.registerJournal()
}

// remoteTimeout bounds a question to the remote about its streams. A stream without a leader does not answer at all.
const remoteTimeout = 5 * time.Second

// ensureRemote makes sure of the remote's streams.
func (b *bridge) ensureRemote(ctx context.Context, remote *publish.Conn) (map[string]publish.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	stream, err := b.ensureEvents(ctx, remote)
	if err != nil {
		return nil, b.unfits(b.remoteError(err))
	}
	quarantine, err := b.ensureQuarantine(ctx, remote)
	switch {
	case errors.As(err, new(publish.MisfitError)), err != nil && b.forwarder == nil:
		return nil, b.unfits(b.remoteError(err))
	case err != nil: // events do not wait for the stream of quarantined callbacks: what is for it is set aside
		err = b.remoteError(err)
		b.warnOnce("the remote's stream of quarantined callbacks cannot be used: " + terminal.Plainly(err))
		quarantine = publish.Stream{Name: b.quarantineStream(), Unusable: err}
		if !b.hadQuarantine.Load() && !publish.Temporary(err) && !errors.Is(err, context.DeadlineExceeded) {
			b.unfit.Store(&err)
		}
	default:
		b.hadQuarantine.Store(true)
		b.unfit.Store(nil)
	}
	quarantine.Beside = true
	promise := inWords(stream)
	b.promise.Store(&promise)
	return map[string]publish.Stream{stream.Name: stream, quarantine.Name: quarantine}, nil
}

// unfits remembers, for /readyz, an error of the remote's streams that only a person can mend, and returns it.
func (b *bridge) unfits(err error) error {
	if errors.As(err, new(publish.MisfitError)) {
		if old := b.unfit.Swap(&err); old == nil && b.forwarder != nil {
			b.log.Error("the remote's streams do not fit: events wait in the journal until they do", "error", err)
		}
	}
	return err
}

// warnOnce logs a warning that each new connection would repeat.
func (b *bridge) warnOnce(text string) {
	if _, said := b.warned.LoadOrStore(text, true); !said {
		b.log.Warn(text)
	}
}

// registerJournal adds the journal's gauges; what cannot be asked is not a number.
func (b *bridge) registerJournal() {
	gauge := func(name, help string, value func(n uint64, oldest time.Time) float64) {
		b.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "crm_bridge", Name: name, Help: help}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			n, oldest, err := b.forwarder.Pending(ctx)
			if err != nil {
				return math.NaN()
			}
			return value(n, oldest)
		}))
	}
	gauge("journal_pending", "Messages in the journal that the remote NATS has not acknowledged.", func(n uint64, _ time.Time) float64 { return float64(n) })
	gauge("journal_oldest_seconds", "How long the oldest of them waits; 0 where there is none.", func(n uint64, oldest time.Time) float64 {
		if n == 0 || oldest.IsZero() {
			return 0
		}
		return max(0, time.Since(oldest).Seconds())
	})
}

// describeRemote says how forwarding is. A remote that is away does not make the bridge unready: the journal takes events.
func (b *bridge) describeRemote(ctx context.Context, answer *readiness) {
	if b.forwarder == nil {
		return
	}
	answer.Remote = "forwarding"
	if _, err := b.forwarder.Reach(); err != nil {
		answer.Remote = terminal.Plainly(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if n, _, err := b.forwarder.Pending(ctx); err == nil {
		answer.Waits = &n
	}
}

// warnOfLeftovers says what is in the data folder that nobody will forward or show in the way that the bridge is set now.
func (b *bridge) warnOfLeftovers(ctx context.Context) error {
	ours := []string{b.settings.Stream, b.quarantineStream(), b.settings.Stream + "_REPLAY", "KV_" + b.settings.Stream + "_STATE"}
	if b.settings.Journaled() {
		ours = []string{b.journalStream(), b.refusedStream()}
	}
	held, err := b.conn.Streams(ctx)
	for name, messages := range held {
		switch {
		case messages == 0 || slices.Contains(ours, name):
		case strings.HasSuffix(name, "_JOURNAL"):
			b.log.Error("the data folder has a journal that nobody forwards: set BRIDGE_STREAM and BRIDGE_NATS_URL as they were until it is empty", "stream", name, "events", messages)
		default:
			b.log.Warn("the data folder has a stream from when BRIDGE_STREAM or BRIDGE_NATS_URL was set otherwise: it stays there, and is not forwarded", "stream", name, "messages", messages)
		}
	}
	return err
}

// lookAtRemote returns an error if the remote NATS, where it can be reached, has streams that do not fit, or if what is
// configured to reach it cannot be right. Whatever else is wrong, the forwarder will meet and log.
func (b *bridge) lookAtRemote(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	remote, err := b.settings.NATS.Remote().Reach(ctx, b.log)
	if err == nil {
		defer remote.Close()
		_, err = b.ensureRemote(ctx, remote)
	}
	if b.takesAPerson(err) {
		return err
	}
	return nil
}

// takesAPerson reports whether an error of the remote's streams ends the start: they do not fit, or there is no room for the
// stream of events.
func (b *bridge) takesAPerson(err error) bool {
	var full *publish.NoRoomError
	return errors.As(err, new(publish.MisfitError)) || errors.As(err, &full) && full.Stream == b.settings.Stream
}

// forwarding is a forwarder at work.
type forwarding struct {
	bridge *bridge
	end    context.CancelFunc
	done   chan struct{}
}

// startForwarder forwards until stop; without a journal there is nothing to do.
func (b *bridge) startForwarder(ctx context.Context) *forwarding {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx)) // the drain is forwarded too
	f := &forwarding{b, end, make(chan struct{})}
	go func() {
		defer close(f.done)
		if b.forwarder != nil {
			b.forwarder.Run(ctx)
		}
	}()
	return f
}

// lastForward is how long the end of the bridge waits for the remote to take what is in the journal.
const lastForward = 5 * time.Second

// stop lets the remote take what it can within a moment; the rest is forwarded after the next start on this folder.
func (f *forwarding) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastForward)
	defer cancel()
	if f.bridge.forwarder != nil {
		f.bridge.forwarder.Empty(ctx)
		if err := f.bridge.noteJournal(context.WithoutCancel(ctx), true); err != nil {
			f.bridge.log.Debug("the journal cannot be noted in the shared state", "error", err)
		}
	}
	f.end()
	<-f.done
	f.tellRest(context.WithoutCancel(ctx))
}

// tellRest warns who is about to remove this bridge and its folder.
func (f *forwarding) tellRest(ctx context.Context) {
	if f.bridge.forwarder == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	switch n, _, err := f.bridge.forwarder.Pending(ctx); {
	case err != nil:
		f.bridge.log.Warn("events may wait in the journal, which cannot be asked: keep this data folder, the next start on it forwards them", "folder", f.bridge.data.Path, "reason", err)
	case n > 0:
		f.bridge.log.Warn("events wait in the journal: keep this data folder, the next start on it forwards them", "events", n, "folder", f.bridge.data.Path)
	}
}
