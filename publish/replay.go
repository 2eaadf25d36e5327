package publish

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Replay publishes messages of a stream again, on a job's own subjects in another stream.
type Replay struct {
	Conn   *Conn
	Stream string // the one that takes them
	Prefix string // first token of live subjects
	Job    string // a token of subjects
}

// ErrFull says that a full stream rejects new messages.
var ErrFull = errors.New("the stream is full")

// replayedFrom is the header with the sequence of the message that a replayed one repeats.
const replayedFrom = "crm-replay-sequence"

// Subjects are those of the job.
func (r *Replay) Subjects() string { return r.Prefix + "-replay." + r.Job + ".>" }

// Subject is where a message of a live subject is replayed.
func (r *Replay) Subject(live string) string {
	return r.Prefix + "-replay." + r.Job + "." + strings.TrimPrefix(live, r.Prefix+".")
}

// message returns a stored message as it is replayed: verbatim, but without headers that the server would interpret.
func (r *Replay) message(m Stored, id string) *nats.Msg {
	header := make(nats.Header, len(m.Header)+3)
	for name, values := range m.Header {
		if !strings.HasPrefix(strings.ToLower(name), "nats-") {
			header[name] = values
		}
	}
	header[nats.MsgIdHdr] = []string{r.Job + ":" + id}
	header[nats.ExpectedStreamHdr] = []string{r.Stream}
	header[replayedFrom] = []string{strconv.FormatUint(m.Sequence, 10)}
	return &nats.Msg{Subject: r.Subject(m.Subject), Header: header, Data: m.Data}
}

// Sending is a message in flight.
type Sending struct {
	subject string
	future  jetstream.PubAckFuture
}

// Send sends a message, the event id, and does not wait for its acknowledgement.
func (r *Replay) Send(m Stored, id string) (*Sending, error) {
	return r.Conn.Send(r.message(m, id))
}

// Settled reports whether Wait returns at once.
func (s *Sending) Settled() bool {
	return len(s.future.Ok()) > 0 || len(s.future.Err()) > 0
}

// Wait returns when the stream has acknowledged the message. The error is ErrTooLarge if the stream rejects it permanently, ErrFull if
// the stream is full; after any other error the message may still be stored.
func (s *Sending) Wait(ctx context.Context) (Ack, error) {
	late := time.NewTimer(settles)
	defer late.Stop()
	select {
	case ack := <-s.future.Ok():
		return Ack{Subject: s.subject, Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
	case err := <-s.future.Err():
		return Ack{}, explainSending(s.subject, err)
	case <-late.C:
		return Ack{}, fmt.Errorf("publish %s: no acknowledgement", s.subject)
	case <-ctx.Done():
		return Ack{}, context.Cause(ctx)
	}
}

func explainSending(subject string, err error) error {
	var api *jetstream.APIError
	switch {
	case tooLarge(err):
		err = ErrTooLarge
	case errors.As(err, &api) && api.ErrorCode == jetstream.ErrorCode(10077):
		err = ErrFull
	}
	return fmt.Errorf("publish %s: %w", subject, err)
}

// Last returns the sequence of the last message of the stream that takes the job's, and when the job's own last was taken;
// zero: it holds none.
func (r *Replay) Last(ctx context.Context) (sequence uint64, own time.Time, err error) {
	stream, err := r.Conn.stream(ctx, r.Stream)
	if err != nil {
		return 0, own, err
	}
	last, err := stream.GetLastMsgForSubject(ctx, r.Subjects())
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return stream.CachedInfo().State.LastSeq, own, nil
	}
	if err != nil {
		return 0, own, fmt.Errorf("stream %s: %w", r.Stream, err)
	}
	return stream.CachedInfo().State.LastSeq, last.Time, nil
}

// Held returns the sequences of the messages that were replayed already, after a sequence of the stream that holds the replayed ones.
func (r *Replay) Held(ctx context.Context, after uint64) (map[uint64]bool, error) {
	held := map[uint64]bool{}
	span, err := r.Conn.OpenSpan(ctx, r.Stream, []string{r.Subjects()}, Bounds{From: after + 1})
	if err != nil {
		return nil, err
	}
	span.HeadersOnly, span.Patience = true, settles
	err = span.Each(ctx, func(m Stored) error {
		if values := m.Header[replayedFrom]; len(values) > 0 {
			if sequence, err := strconv.ParseUint(values[0], 10, 64); err == nil {
				held[sequence] = true
			}
		}
		return nil
	})
	return held, err
}

// Forget removes all that the job has replayed. It returns how many events that were, and when their ids can be used again: until then the
// stream would drop them as duplicates.
func (r *Replay) Forget(ctx context.Context) (removed uint64, free time.Time, err error) {
	stream, err := r.Conn.stream(ctx, r.Stream)
	if err != nil {
		return 0, free, err
	}
	_, own, err := r.Last(ctx)
	if err != nil || own.IsZero() {
		return 0, free, err
	}
	held, err := stream.Info(ctx, jetstream.WithSubjectFilter(r.Subjects()))
	if err != nil {
		return 0, free, fmt.Errorf("stream %s: %w", r.Stream, err)
	}
	for _, messages := range held.State.Subjects {
		removed += messages
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSubject(r.Subjects())); err != nil {
		return 0, free, fmt.Errorf("purge %s: %w", r.Subjects(), err)
	}
	return removed, own.Add(stream.CachedInfo().Config.Duplicates + time.Second), nil
}
