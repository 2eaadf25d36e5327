package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// EventStore takes events and quarantined callbacks. Close it after use.
type EventStore struct {
	mode
	Quarantine *publish.Quarantine // callbacks that could not be parsed; Keep adds one
	Refused    *publish.Refused    // messages that a remote NATS rejected permanently
	Consumers  *consumers.View     // who reads the streams, and what they gave up on
	URL        string              // where consumers connect, without credentials
	Replica    string              // this process among those that share the State; the same after a restart where no other can have it

	publisher *publish.Publisher
	end       func(context.Context) // of what Run has begun

	mu      sync.Mutex
	checked time.Time
	failure error // why it was not ready when it was last checked
}

// mode is one of the three ways to store events.
type mode interface {
	// Durability returns what a 200 guarantees, in one line.
	Durability() string
	// Reach returns the connection to the server that has the stream, or why there is none now.
	Reach() (*publish.Conn, error)
	// Dial opens a connection of its own to that server, for a reader or writer that must not disturb what is stored.
	Dial(ctx context.Context) (*publish.Conn, error)
	// Status returns what else an operator should know.
	Status(ctx context.Context) Status
	// State returns the bucket beside the stream; what is saved there survives what an event does. Call it once.
	State(ctx context.Context) (*publish.Bucket, error)

	// Records returns what keeps records beside the stream, on its server. Call it once.
	Records(ctx context.Context) (Records, error)

	// Holdings returns the streams that may hold what was a record, in the order in which what is in one reaches another.
	Holdings(ctx context.Context) ([]Holding, error)
	// about returns the variable that sets a stream's limit, if one does, and how a stream that the bridge did not make differs from what
	// is configured.
	about(stream string) (variable string, differences []string)
	// OtherJournals returns the journals of other bridges with the same remote, as they have noted them, and the id of the own one; empty:
	// there is none.
	OtherJournals(ctx context.Context) (own string, others []OtherJournal, err error)

	broken() error                   // why nothing can be stored until a new start; nil: it can
	ready(ctx context.Context) error // what keeps an event from being stored now, beside what the publisher knows; nil: nothing
	// start begins what keeps the store, and calls lost with the reason when only a new start can use it again. end, which is
	// always called, ends it in order: what is in a journal is forwarded as far as the remote takes it within a moment.
	start(ctx context.Context, lost func(error)) (end func(ctx context.Context))
	close() // each part before what it depends on
}

// Records is the stream of the states of records.
type Records struct {
	Stream string
	Ensure func(ctx context.Context, conn *publish.Conn) error // makes the stream, or checks that it fits
	Commit publish.Commit                                      // nil: an acknowledgement says that a state is safe
}

// Status is what an operator should know about a store, apart from its readiness.
type Status struct {
	Forwards    bool      // there is a journal, which is forwarded to a remote NATS
	Interrupted error     // why nothing is forwarded now; nil: it is
	Pending     *uint64   // messages that the remote has not acknowledged; nil: it is not known
	Oldest      time.Time // when the oldest of them was stored; zero: there is none, or it is not known
	Warnings    []string  // journals whose events are not forwarded
}

// Publish is publish.Publisher.Publish, and fails at once where the store is broken.
func (s *EventStore) Publish(ctx context.Context, events ...publish.Event) ([]publish.Ack, error) {
	if err := s.broken(); err != nil { // the server would not even answer
		return nil, err
	}
	return s.publisher.Publish(ctx, events...)
}

// Subject returns the subject that an event is published on.
func (s *EventStore) Subject(e publish.Event) string { return s.publisher.Subject(e) }

// Keep is publish.Quarantine.Keep, and fails at once where the store is broken.
func (s *EventStore) Keep(ctx context.Context, source, id string, body []byte) error {
	if err := s.broken(); err != nil {
		return err
	}
	return s.Quarantine.Keep(ctx, source, id, body)
}

// readyEvery bounds how often a question to Ready reaches the disk and the stream, and readyTimeout how long that may take.
const (
	readyEvery   = time.Second
	readyTimeout = 2 * time.Second
)

// unusableError says that only the remote's streams keep a bridge from being ready: events are answered, and wait.
type unusableError struct{ error }

func (e unusableError) Error() string {
	return fmt.Sprintf("the remote's streams cannot be used: %s", e.error)
}

// Ready returns nil if an event could be stored, as of a second ago.
func (s *EventStore) Ready(ctx context.Context) error {
	if err := s.broken(); err != nil {
		return fmt.Errorf("nothing can be stored: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.checked) > readyEvery {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
		defer cancel()
		if s.failure = s.publisher.Ready(ctx); s.failure == nil {
			s.failure = s.ready(ctx)
		}
		s.checked = time.Now()
	}
	if s.failure != nil && !errors.As(s.failure, new(unusableError)) {
		return fmt.Errorf("nothing can be stored: %w", s.failure)
	}
	return s.failure
}

// Run keeps the store for as long as serve runs: it forwards what is in a journal, ensures a remote's streams, and watches the
// disk, also while serve drains after ctx has ended. lost yields why only a new start can use the store again. serve calls Drain
// when it publishes nothing more.
func (s *EventStore) Run(ctx context.Context, serve func(lost <-chan error) error) error {
	lost := make(chan error, 1)
	var once sync.Once
	end := s.start(context.WithoutCancel(ctx), func(reason error) {
		if reason != nil {
			lost <- reason
		}
	})
	s.end = func(ctx context.Context) { once.Do(func() { end(ctx) }) }
	err := serve(lost)
	ended, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cancel()
	s.end(ended)
	select {
	case reason := <-lost:
		return errors.Join(err, reason)
	default:
		return err
	}
}

// Drain returns when what was published is acknowledged, and a remote has taken what it can within a moment, or ctx has ended.
// Nothing may be published after it.
func (s *EventStore) Drain(ctx context.Context) error {
	err := s.publisher.Drain(ctx)
	s.end(ctx)
	return err
}

// Close frees all that Open has opened.
func (s *EventStore) Close() {
	if s.mode != nil {
		s.close()
	}
}

// begin runs do until ctx ends, or end is called, which returns when it has ended.
func begin(ctx context.Context, do func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { do(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}
