package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// doubt is how long Ready reports a failed publish that no successful one has followed.
const doubt = 5 * time.Second

// storedOverhead is an upper bound of what a stream stores of a message beside its subject, headers and data.
const storedOverhead = 256

// Publisher publishes events to a stream, over a connection that it does not own. Set the fields once.
type Publisher struct {
	Conn    *Conn
	Stream  string
	Journal string // the local stream that stores the events until a Forwarder sends them to Stream; empty: none
	Prefix  string // first token of subjects
	Mode    Mode
	AllIDs  bool // send every id as Nats-Msg-Id, not only repeatable ones
	Metrics *Metrics
	// MaxBytes is the stream's limit: it would acknowledge a larger event and drop it at once. At most 0: no limit.
	MaxBytes int64
	// Upkeep ensures the stream if events go directly to a remote NATS. Publish then retries until ctx ends, and takes MaxBytes from
	// there; nil: it tries once.
	Upkeep *Upkeep
	Commit Commit  // of acknowledged events
	Window *Window // of ids that an embedded server has to remember; nil: their number has no bound here

	calls  sync.WaitGroup // Publish calls in progress
	failed atomic.Int64   // when an event last could not be stored, in Unix nanoseconds; 0: one was stored since
}

// Publish returns when the stream has acknowledged every event, in order, and Commit has synced them, or with the first error. After
// an error some of the events may be stored, and those in flight may still be, unless it is ErrTooLarge without ErrPartly; nothing is
// sent after it has returned.
func (p *Publisher) Publish(ctx context.Context, events ...Event) ([]Ack, error) {
	p.calls.Add(1)
	defer p.calls.Done()
	acks, err := p.publish(ctx, events)
	if err = p.Commit.after(ctx, err); err != nil {
		if !errors.Is(err, ErrTooLarge) && (p.Upkeep == nil || !Temporary(err)) { // Ready itself detects temporary errors of a remote
			p.failed.Store(time.Now().UnixNano())
		}
		return nil, err
	}
	p.failed.Store(0)
	for _, ack := range acks {
		if !ack.Duplicate {
			p.Metrics.published(ack.Subject)
		}
	}
	return acks, nil
}

func (p *Publisher) publish(ctx context.Context, events []Event) ([]Ack, error) {
	acks := make([]Ack, len(events))
	var messages []*nats.Msg
	var sent []jetstream.PubAckFuture
	err := p.Upkeep.persist(ctx, func() (err error) {
		if err := cmp.Or(p.Conn.Up(), p.Upkeep.known()); err != nil {
			return err
		}
		again := messages != nil
		if !again {
			if messages, err = p.messages(events); err != nil {
				return err
			}
		}
		futures, err := p.send(ctx, events, messages, acks, again)
		sent = append(sent, futures...)
		return err
	})
	if err != nil && slices.ContainsFunc(sent, unanswered) {
		err = fmt.Errorf("%w%w", err, silent{ErrUnanswered})
	}
	if err != nil {
		return nil, err
	}
	return acks, nil
}

// unanswered reports whether NATS has not answered a message yet.
func unanswered(future jetstream.PubAckFuture) bool {
	if future == nil {
		return false
	}
	select {
	case <-future.Ok():
		return false
	case err := <-future.Err():
		return err == nil
	default:
		return true
	}
}

// send sends the messages that have no ack yet, and enters their acks, or returns the first error, with the futures of those without
// an answer. The repeat of a fresh id can only be our own first attempt.
func (p *Publisher) send(ctx context.Context, events []Event, messages []*nats.Msg, acks []Ack, again bool) (futures []jetstream.PubAckFuture, err error) {
	futures = make([]jetstream.PubAckFuture, len(messages))
	for i, msg := range messages {
		if acks[i].Stream != "" {
			continue
		}
		subject := p.Subject(events[i].Event)
		if ctx.Err() != nil {
			return futures, p.explain(subject, ctx.Err())
		}
		if futures[i], err = p.Conn.js.PublishMsgAsync(msg, jetstream.WithRetryAttempts(0), jetstream.WithStallWait(time.Second)); err != nil {
			return futures, p.explain(subject, err)
		}
	}
	silent, stop := p.patience(ctx, again)
	defer stop()
	for i, future := range futures {
		if future == nil {
			continue
		}
		subject := p.Subject(events[i].Event)
		select {
		case ack := <-future.Ok():
			futures[i] = nil
			if ack.Stream != p.taker() {
				return futures, p.explain(subject, fmt.Errorf("acknowledged by stream %q, not by %q", ack.Stream, p.taker()))
			}
			acks[i] = Ack{Subject: subject, Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate && (events[i].Repeatable || !again)}
		case err := <-future.Err():
			futures[i] = nil
			if err = p.explain(subject, err); errors.Is(err, ErrTooLarge) && len(events) > 1 {
				err = fmt.Errorf("%w: %w", err, ErrPartly)
			}
			return futures, err
		case <-silent:
			return futures, p.explain(subject, errSilent)
		case <-ctx.Done():
			return futures, p.explain(subject, ctx.Err())
		}
	}
	return nil, nil
}

// patience returns a channel that fires when an unacknowledged event is sent once more: a leader that steps down silently drops what
// is in flight. That is once, after half of the time until ctx's deadline.
func (p *Publisher) patience(ctx context.Context, again bool) (silent <-chan time.Time, stop func() bool) {
	deadline, limited := ctx.Deadline()
	if p.Upkeep == nil || again || !limited {
		return nil, func() bool { return false }
	}
	timer := time.NewTimer(time.Until(deadline) / 2)
	return timer.C, timer.Stop
}

// messages returns the messages of events, or an error if one of them is too large.
func (p *Publisher) messages(events []Event) ([]*nats.Msg, error) {
	limit := p.MaxBytes
	if p.Upkeep != nil {
		limit = p.Upkeep.stream(p.Stream).MaxBytes
	}
	all := make([]*nats.Msg, len(events))
	for i, e := range events {
		subject := p.Subject(e.Event)
		msg, err := Message(subject, e.Event, p.Mode)
		if err != nil {
			return nil, err
		}
		if limit > 0 && int64(msg.Size()+storedOverhead) > limit {
			return nil, p.explain(subject, ErrTooLarge)
		}
		if e.Repeatable || p.AllIDs {
			msg.Header[p.headerOfID()] = []string{e.ID()}
		}
		address(msg, p.Stream, p.Journal, e.ID())
		if most := p.Conn.nats.MaxPayload(); most > 0 && int64(msg.Size()-len(msg.Subject)) > most {
			return nil, p.explain(subject, ErrTooLarge)
		}
		all[i] = msg
	}
	return all, nil
}

// headerOfID returns the header for an id that may come again. Beyond the bound of the window it is one that the server ignores; Held
// reads both.
func (p *Publisher) headerOfID() string {
	ok, held := p.Window.admit()
	p.Metrics.identified(ok, held)
	if !ok {
		return ownID
	}
	return nats.MsgIdHdr
}

// Subject returns the subject of an event: its type under the configured prefix.
func (p *Publisher) Subject(e event.Event) string {
	_, rest, _ := strings.Cut(e.Type(), ".")
	return p.Prefix + "." + rest
}

// taker is the stream whose acknowledgement makes an event safe.
func (p *Publisher) taker() string {
	if p.Journal != "" {
		return p.Journal
	}
	return p.Stream
}

func (p *Publisher) explain(subject string, err error) error {
	if tooLarge(err) {
		return fmt.Errorf("publish %s: %w", subject, ErrTooLarge)
	}
	return fmt.Errorf("publish %s: %w", subject, err)
}

// Ready returns nil when an event could be stored now, as far as a request to the server shows.
func (p *Publisher) Ready(ctx context.Context) error {
	if err := p.Upkeep.Problem(); err != nil {
		return err
	}
	if err := p.Conn.Up(); err != nil {
		return err
	}
	if at := p.failed.Load(); at != 0 && time.Since(time.Unix(0, at)) < doubt {
		return errors.New("the last event could not be stored")
	}
	if _, err := p.Conn.js.Stream(ctx, p.taker()); err != nil {
		p.Upkeep.ask(err)
		return fmt.Errorf("stream %s: %w", p.taker(), Plain(err, p.Conn.url))
	}
	return nil
}

// Drain returns when no call of Publish is in progress, or ctx has ended. No call may begin after it.
func (p *Publisher) Drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		p.calls.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("some events were not acknowledged before the end of the drain")
	}
}
