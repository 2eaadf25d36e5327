package store

import (
	"context"

	"github.com/crm-bridge/crm-bridge/publish"
)

// standalone keeps the stream itself, and consumers connect to it.
type standalone struct {
	*local
	letters *letters
	promise string
}

func openStandalone(ctx context.Context, s *EventStore, c *streams, metrics *publish.Metrics) error {
	serves := c.Server
	serves.MaxPayload = maxPayload(c.MaxBody)
	serves.Readable = []string{c.Stream, c.quarantineStream(), c.replayStream(), c.recordsStream()}
	l, err := openLocal(ctx, c, serves)
	e := &standalone{local: l}
	s.mode = e
	if err != nil {
		return err
	}
	// Only from here: before, the server may have had to read every block of a large store after a power cut.
	asking, cancel := context.WithTimeout(ctx, streamsTimeout)
	defer cancel()
	stream, err := l.ensure(asking, c.events(func() { _, _ = l.ensure(asking, c.quarantine()) }))
	if err != nil {
		return err
	}
	if _, err := l.ensure(asking, c.quarantine()); err != nil {
		return err
	}
	events, aside, err := l.openCommitters(asking, stream, c.quarantineStream())
	if err != nil {
		return err
	}
	s.publisher = &publish.Publisher{
		Conn: l.conn, Stream: c.Stream, Prefix: c.Prefix, Mode: c.Mode, MaxBytes: stream.MaxBytes, Metrics: metrics, Commit: events.here, Window: c.window(),
	}
	e.letters = &letters{streams: c, reach: l.reach}
	if l.commits() {
		e.letters.dir = serves.Dir
	}
	_ = e.letters.keep(asking, l.conn) // it has warned, and events do not depend on it
	s.Consumers = e.letters.view()
	e.promise = describe(stream, serves.Dir, l.serves.Sync)
	s.URL, s.Replica = l.server.ClientURL(), "embedded"
	s.Quarantine = &publish.Quarantine{
		Shelf: publish.Shelf{Stream: c.quarantineStream(), Reach: l.reach, CommitAll: aside.all}, Conn: l.conn, Prefix: c.Prefix, Commit: aside.commit,
	}
	return l.warnOfLeftovers(ctx, c.Stream, c.quarantineStream(), c.replayStream(), c.recordsStream(), c.deadStream(), "KV_"+c.stateBucket())
}

// maxPayload leaves room for what an event holds beside a body, which may grow when it is written as JSON.
func maxPayload(maxBody int64) int32 {
	return int32(min(7*maxBody+64<<10, publish.MaxPayload))
}

func (e *standalone) Durability() string { return e.promise }

func (e *standalone) Reach() (*publish.Conn, error) { return e.reach() }

func (e *standalone) Dial(context.Context) (*publish.Conn, error) { return e.server.Connect() }

func (e *standalone) Status(context.Context) Status { return Status{} }

func (e *standalone) State(ctx context.Context) (*publish.Bucket, error) {
	state := e.Config.State(e.reach)
	if err := state.Open(ctx); err != nil {
		return nil, err
	}
	bucket, err := e.committer("KV_" + state.Name)
	state.Commit = bucket.all // a value takes the place of an older one, somewhere inside
	return state, err
}

func (e *standalone) Records(ctx context.Context) (Records, error) {
	r := Records{Stream: e.recordsStream(), Ensure: func(ctx context.Context, _ *publish.Conn) error {
		_, err := e.ensure(ctx, e.records())
		return err
	}}
	if err := r.Ensure(ctx, e.conn); err != nil {
		return r, err
	}
	committer, err := e.committer(r.Stream)
	r.Commit = committer.all // a state takes the place of an older one, somewhere inside, and the server may compact that block without a sync
	return r, err
}

func (e *standalone) Holdings(ctx context.Context) ([]Holding, error) {
	all := append(e.beside(e.reach, e.erased), e.letters.holding(ctx, e.erased)...)
	left, err := e.leftovers(ctx, all)
	return e.scrubbed(append(all, left...)), err
}

// OtherJournals: the embedded server has no replicas.
func (e *standalone) OtherJournals(context.Context) (string, []OtherJournal, error) {
	return "", nil, nil
}

func (e *standalone) start(ctx context.Context, lost func(error)) (end func(context.Context)) {
	stopWatch := begin(ctx, func(ctx context.Context) {
		lost(e.watch(ctx, []string{e.Stream, e.quarantineStream()}, func(context.Context) bool { return false }))
	})
	stopLetters := begin(ctx, e.letters.run)
	return func(context.Context) {
		stopLetters()
		stopWatch()
	}
}
