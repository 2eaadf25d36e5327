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

	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// doubt is how long Ready reports a failed publish that no successful one has followed.
const doubt = 5 * time.Second

// storedOverhead is an upper bound of what a stream stores of a message beside its subject, headers and data.
const storedOverhead = 256

// maxSpare is the size of the largest memory of an event that is used again, in bytes: a small event in flight may hold so much.
const maxSpare = 8 << 10

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
	// Commit syncs acknowledged events, once for all calls that wait; its context ends when all of these have left. It may return later.
	Commit Commit
	Window *Window // of ids that an embedded server has to remember; nil: their number has no bound here

	open     sync.Once
	sender   *sender
	unusable error     // why there is no sender
	spare    sync.Pool // of *message

	calls  sync.WaitGroup // Publish calls in progress
	failed atomic.Int64   // when an event last could not be stored, in Unix nanoseconds; 0: one was stored since
}

// Publish returns when the stream has acknowledged every event, in order, and Commit has synced them, or with the first error. After
// an error some of the events may be stored, and those in flight may still be, unless it is ErrTooLarge without ErrPartly; nothing is
// sent after it has returned.
func (p *Publisher) Publish(ctx context.Context, events ...Event) ([]Ack, error) {
	p.calls.Add(1)
	defer p.calls.Done()
	ctx, span := beginPublish(ctx, p.Stream, events)
	acks, err := p.publish(ctx, events)
	if span != nil {
		subject := ""
		if len(events) == 1 {
			subject = p.Subject(events[0])
		}
		endPublish(span, p.taker(), subject, events, acks, err)
	}
	if err != nil {
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
	p.open.Do(func() { p.sender, p.unusable = openSender(p.Conn, p.taker(), p.Commit, p.Metrics.synced) })
	if p.unusable != nil {
		return nil, p.unusable
	}
	acks := make([]Ack, len(events))
	for i, e := range events {
		acks[i].Subject = p.Subject(e)
	}
	var messages []*message
	defer func() { p.release(messages) }()
	err := p.Upkeep.persist(ctx, func() (err error) {
		if err := cmp.Or(p.Conn.Up(), p.Upkeep.known()); err != nil {
			return err
		}
		if messages != nil {
			return p.sendAgain(ctx, events, messages, acks)
		}
		if messages, err = p.messages(events, acks, trace.Outgoing(ctx)); err != nil {
			return err
		}
		silent, stop := p.patience(ctx)
		defer stop()
		return p.send(ctx, messages, acks, silent)
	})
	if err != nil {
		return nil, err
	}
	return acks, nil
}

// send sends the messages that have no ack yet, and enters their acks.
func (p *Publisher) send(ctx context.Context, messages []*message, acks []Ack, silent <-chan time.Time) error {
	failed, err := p.sender.send(ctx, messages, acks, silent)
	if err == nil {
		return nil
	}
	if err = p.explain(acks[failed].Subject, err); errors.Is(err, ErrTooLarge) && len(messages) > 1 {
		err = fmt.Errorf("%w: %w", err, ErrPartly)
	}
	return err
}

// sendAgain is send of messages that may have been stored before: the repeat of a fresh id can only be our own first attempt.
func (p *Publisher) sendAgain(ctx context.Context, events []Event, messages []*message, acks []Ack) error {
	before := slices.Clone(acks)
	err := p.send(ctx, messages, acks, nil)
	for i := range acks {
		if before[i].Stream == "" && !events[i].Repeatable {
			acks[i].Duplicate = false
		}
	}
	return err
}

// patience returns a channel that fires when an unacknowledged event is sent once more: a leader that steps down silently drops what
// is in flight. That is once, after half of the time until ctx's deadline.
func (p *Publisher) patience(ctx context.Context) (silent <-chan time.Time, stop func() bool) {
	deadline, limited := ctx.Deadline()
	if p.Upkeep == nil || !limited {
		return nil, func() bool { return false }
	}
	timer := time.NewTimer(time.Until(deadline) / 2)
	return timer.C, timer.Stop
}

// messages returns the messages of events on the subjects of their acks, or an error if one of them is too large. Their readers continue
// the trace of parent; empty: that of the event.
func (p *Publisher) messages(events []Event, acks []Ack, parent string) ([]*message, error) {
	limit := p.MaxBytes
	if p.Upkeep != nil {
		limit = p.Upkeep.stream(p.Stream).MaxBytes
	}
	all := make([]*message, len(events))
	for i, e := range events {
		subject := acks[i].Subject
		msg, ok := p.spare.Get().(*message)
		if !ok {
			msg = &message{}
		}
		msg.write(subject, &e.Event, p.Mode)
		if parent != "" {
			msg.set(traceParent, parent)
		}
		if limit > 0 && int64(msg.Size()+storedOverhead) > limit {
			return nil, p.explain(subject, ErrTooLarge)
		}
		if e.Repeatable || p.AllIDs {
			msg.set(p.headerOfID(), e.ID)
		}
		address(msg, p.Stream, p.Journal, e.ID)
		if most := p.Conn.nats.MaxPayload(); most > 0 && int64(msg.Size()-len(msg.Subject)) > most {
			return nil, p.explain(subject, ErrTooLarge)
		}
		all[i] = msg
	}
	return all, nil
}

// release has further calls use the memory of messages that were sent.
func (p *Publisher) release(messages []*message) {
	for _, msg := range messages {
		if cap(msg.buffer) <= maxSpare {
			msg.reset()
			p.spare.Put(msg)
		}
	}
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
func (p *Publisher) Subject(e Event) string {
	_, rest, _ := strings.Cut(e.Type, ".")
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
