//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// reconciler compares the ledger with a stream, from its first event.
//
// An event is out of order if one with a higher sequence in its answer precedes it, or one that the same connection sent later. Of
// several copies of an event the first one counts.
type reconciler struct {
	ledger *ledger

	highest uint64           // sequence in an answer
	latest  map[uint16]int64 // callback of each connection

	double     int // copies beyond the first
	outOfOrder int
	strange    int // events that were never sent, or have another id than the answer said
	refused    int // stored, although answered 503
	unanswered int // stored, although the answer never came
	victims    int // of the record that is erased
}

// meet compares the next event of the stream: its record, which is the number of the callback, and its id.
func (r *reconciler) meet(record string, id uuid.UUID) {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if record == victim {
		r.victims++
		return
	}
	n, err := strconv.ParseInt(record, 10, 64)
	if err != nil || n < 1 || n > int64(len(r.ledger.entries)) {
		r.strange++
		return
	}
	e := &r.ledger.entries[n-1]
	if e.outcome == answered && e.id != id {
		r.strange++
		return
	}
	if e.copies++; e.copies > 1 {
		r.double++
		return
	}
	switch e.outcome {
	case answered:
	case refused:
		r.refused++
		return
	case unanswered:
		r.unanswered++
		return
	default:
		return
	}
	if e.sequence < r.highest || n < r.latest[e.connection] {
		r.outOfOrder++
	}
	r.highest = max(r.highest, e.sequence)
	r.latest[e.connection] = max(r.latest[e.connection], n)
}

// missing returns how many answered events the stream does not hold. Those before its first sequence were dropped at its limit.
func (r *reconciler) missing(first uint64) (missing, dropped int) {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for i := range r.ledger.entries {
		switch e := &r.ledger.entries[i]; {
		case e.outcome != answered || e.copies > 0:
		case e.sequence < first:
			dropped++
		default:
			missing++
		}
	}
	return missing, dropped
}

// read passes every event of a stream to meet, and returns the stream's state.
func (r *reconciler) read(ctx context.Context, url, name string) (jetstream.StreamState, error) {
	conn, js, err := dial(url)
	if err != nil {
		return jetstream.StreamState{}, err
	}
	defer conn.Close()
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return jetstream.StreamState{}, fmt.Errorf("read stream %s: %w", name, err)
	}
	state := stream.CachedInfo().State
	if state.Msgs == 0 {
		return state, nil
	}
	consumer, err := js.OrderedConsumer(ctx, name, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return state, fmt.Errorf("read stream %s: %w", name, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return state, fmt.Errorf("read stream %s: %w", name, err)
	}
	defer messages.Stop()
	for i := range state.Msgs {
		msg, err := messages.Next(jetstream.NextMaxWait(20 * time.Second))
		if err != nil {
			return state, fmt.Errorf("read stream %s after %d of %d events: %w", name, i, state.Msgs, err)
		}
		var e struct {
			ID      uuid.UUID
			Subject string
		}
		if err := json.Unmarshal(msg.Data(), &e); err != nil {
			return state, fmt.Errorf("read an event of stream %s: %w", name, err)
		}
		r.meet(e.Subject, e.ID)
	}
	return state, nil
}

// dial connects to a broker.
func dial(url string) (*nats.Conn, jetstream.JetStream, error) {
	conn, err := nats.Connect(url, nats.Timeout(5*time.Second))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, js, nil
}

// newReconciler returns a reconciler, and resets what an earlier one has noted in the ledger.
func newReconciler(l *ledger) *reconciler {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.entries {
		l.entries[i].copies = 0
	}
	return &reconciler{ledger: l, latest: map[uint16]int64{}}
}
