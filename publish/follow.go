package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Follower reads the events of a stream as they arrive, each once and in order, across losses of the connection, the server or the
// stream. Set the fields once.
type Follower struct {
	Reach    func(ctx context.Context) (*Conn, error) // connects; called again after each loss, because a password may have changed
	Stream   string
	Subjects []string         // filters; empty: all
	From     uint64           // begin at this sequence
	Since    time.Time        // begin with the first event that the stream took then or later; neither given: only what comes from now on
	Lost     func(why error)  // called when reading stops, once for each reason in a row; nil: nothing is
	Back     func(say string) // called when reading resumes, with what is not as it was; empty: everything is; nil: nothing is
}

const (
	// followFirst and followLast are the waits between two attempts to reach the stream, doubling from the first to the second.
	followFirst = 100 * time.Millisecond
	followLast  = 2 * time.Second
	// followBatch is how many messages a follower requests at once.
	followBatch = 128
	// followExpires is when the server must have answered, so that a silent one is noticed.
	followExpires = 5 * time.Second
	// followQuiet is how long after a loss further reasons are not reported: a starting server has no stream for a moment.
	followQuiet = 3 * time.Second
	// followKept is how long the server keeps the consumer of a follower that has died.
	followKept = time.Minute
)

// position is that of a follower in its stream.
type position struct {
	made  time.Time // when the stream was made; zero: it was not seen yet
	next  uint64    // sequence to go on with; 0: that of the first message since a time
	since time.Time // that time
	last  uint64    // sequence of the last message that was read; 0: none was
	seen  time.Time // when the stream took it; before the first: when reading began
	news  string    // what has changed and was not reported yet
}

// halt is the error with which the reader of the messages ended it.
type halt struct{ error }

// Follow calls each for every message until ctx ends or each returns an error, which it returns. If the stream cannot be reached at the
// first attempt, it returns an error; later it waits for it.
func (f *Follower) Follow(ctx context.Context, each func(Stored) error) error {
	var at position
	var said string // why nothing can be read; empty: it can
	var since time.Time
	begun := false
	for wait := followFirst; ; wait = min(2*wait, followLast) {
		err := f.attempt(ctx, &at, each, func(remark string) {
			wait = followFirst
			if f.Back != nil && (said != "" || remark != "") {
				f.Back(remark)
			}
			said, begun = "", true
		})
		var ended halt
		if errors.As(err, &ended) || ctx.Err() != nil {
			return ended.error
		}
		if !begun {
			return err
		}
		switch text := err.Error(); {
		case errors.Is(err, errStale): // the reader took longer than the server keeps a consumer: nothing is lost
		case said == "":
			f.lost(err)
			said, since = text, time.Now()
		case text != said && !errors.Is(err, nats.ErrNoServers) && time.Since(since) > followQuiet:
			f.lost(err)
			said = text
		}
		if retry.Sleep(ctx, wait) != nil {
			return nil //nolint:nilerr // following ends with ctx
		}
	}
}

func (f *Follower) lost(why error) {
	if f.Lost != nil {
		f.Lost(why)
	}
}

// attempt reads over one connection with one consumer until anything fails. The client library would resume by itself, but after a
// stream was recreated it would wait for the old sequences.
func (f *Follower) attempt(ctx context.Context, at *position, each func(Stored) error, opened func(remark string)) error {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	conn, err := f.Reach(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.nats.SetDisconnectErrHandler(func(_ *nats.Conn, err error) { lost(fmt.Errorf("connection lost: %w", orClosed(err))) })
	if !conn.nats.IsConnected() {
		return errNotConnected
	}
	stream, err := conn.js.Stream(ctx, f.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return missing(f.Stream)
	}
	if err != nil {
		return f.because(ctx, err)
	}
	if err := f.stand(at, stream.CachedInfo(), at.isIn(ctx, stream)); err != nil {
		return err
	}
	if at.next == 0 {
		if at.next, err = conn.sequenceAt(ctx, f.Stream, at.since); err != nil {
			return f.because(ctx, err)
		}
	}
	config := jetstream.ConsumerConfig{FilterSubjects: apart(f.Subjects), InactiveThreshold: followKept}
	p, _, err := conn.pull(ctx, f.Stream, at.next, config, followBatch, followExpires)
	if err != nil {
		return f.because(ctx, err)
	}
	defer p.close()
	p.waits = true
	opened(at.news)
	at.news = ""
	return f.read(ctx, p, at, each)
}

func (f *Follower) read(ctx context.Context, p *puller, at *position, each func(Stored) error) error {
	for {
		msg, err := p.next(ctx, nil)
		if err != nil {
			return f.because(ctx, err)
		}
		m, err := p.received(msg)
		if err != nil {
			return f.because(ctx, err)
		}
		if err := each(m); err != nil {
			return halt{err}
		}
		at.next, at.last, at.seen = m.Sequence+1, m.Sequence, m.At
	}
}

// isIn reports whether the stream still holds the message that was read last, or has dropped it. Another one in its place
// means that the stream was restored from an older copy, and has taken others since.
func (p *position) isIn(ctx context.Context, stream jetstream.Stream) bool {
	if p.last == 0 {
		return true
	}
	msg, err := stream.GetMsg(ctx, p.last)
	return err != nil || msg.Time.Equal(p.seen)
}

// stand finds the position to resume at, and notes what has changed.
func (f *Follower) stand(at *position, info *jetstream.StreamInfo, asRead bool) error {
	state := info.State
	switch {
	case at.made.IsZero():
		if foreign := uncovered(info.Config, f.Subjects); len(foreign) > 0 {
			return uncoveredError(info.Config, foreign[0])
		}
		// By a sequence even for what comes from now on: what comes before a first loss is over must not be missed.
		at.next, at.since = f.From, f.Since
		if f.From == 0 && f.Since.IsZero() {
			at.next = state.LastSeq + 1
		}
		at.seen = time.Now()
	case !at.made.Equal(info.Created):
		at.next, at.last = 1, 0
		at.news = fmt.Sprintf("stream %s was recreated: reading from its first event", f.Stream)
	case at.next > state.LastSeq+1 || !asRead:
		at.news = fmt.Sprintf("stream %s was restored to an earlier state: with what it took since %s", f.Stream, at.seen.Local().Format(time.DateTime))
		at.next, at.since = 0, at.seen.Add(1)
	case at.next > 0 && at.next < state.FirstSeq:
		at.news = fmt.Sprintf("what stream %s held before #%d has left it in the meantime", f.Stream, state.FirstSeq)
	}
	at.made = info.Created
	return nil
}

// because returns why reading ended: that the connection was lost, if it was.
func (f *Follower) because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("read stream %s: %w", f.Stream, err)
}

func orClosed(err error) error {
	if err == nil {
		return errors.New("closed by the server")
	}
	return err
}
