package consumers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// advisories are what NATS publishes when a consumer gives up on a message: each is followed by the stream and the consumer.
var advisories = []string{"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.", "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED."}

// Advisories returns the subjects of the advisories about consumers of streams.
func Advisories(streams ...string) (subjects []string) {
	for _, advisory := range advisories {
		for _, stream := range streams {
			subjects = append(subjects, advisory+stream+".*")
		}
	}
	return subjects
}

// DeadLetters is the list of the messages that consumers gave up on: a stream of NATS' advisories, which have the sequence of a message
// and nothing of it, and marks of what a replay has re-delivered.
type DeadLetters struct {
	Stream string // of the advisories
	// Reach returns the connection to the server that has the stream, or why the list is not kept.
	Reach  func() (*publish.Conn, error)
	Marks  *publish.Bucket
	Commit publish.Commit // of what is in the stream, and of what Clear removes; nil: the server's answer says that it is safe
}

const (
	// MaxDead is how many messages List returns at most.
	MaxDead = 1000
	// scanned is how many advisories are read at most, the newest. The bridge's own stream holds less.
	scanned = 100_000
	// maxReason bounds a reason, which consumers write, in bytes.
	maxReason = 500
)

// ErrNoList says that no stream keeps what consumers gave up on.
var ErrNoList = errors.New("no stream keeps what consumers gave up on")

// Listed is a message that a consumer gave up on, and its entries in the list: one for each time.
type Listed struct {
	DeadLetter
	Entries []uint64 // sequences of the stream of advisories, not marked as replayed unless ReplayedAt is set

	made time.Time // when that stream was made: another one of its name has other entries of these sequences
}

// advisory is what NATS says when a consumer gives up on a message (nats-server, server/jetstream_events.go).
type advisory struct {
	Type       string `json:"type"`
	Stream     string `json:"stream"`
	Consumer   string `json:"consumer"`
	Sequence   uint64 `json:"stream_seq"`
	Deliveries uint64 `json:"deliveries"`
	Reason     string `json:"reason"`
}

// advisoryIn reads an advisory. ok is false for anything else.
func advisoryIn(m publish.Stored) (a advisory, ok bool) {
	err := json.Unmarshal(m.Data, &a)
	return a, err == nil && a.Sequence > 0
}

// reason says why the consumer gave up.
func (a advisory) reason() string {
	if strings.HasSuffix(a.Type, ".max_deliver") {
		return "max deliveries"
	}
	if reason := strings.ToValidUTF8(a.Reason[:min(len(a.Reason), maxReason)], ""); reason != "" {
		return "terminated: " + reason
	}
	return "terminated"
}

// Of returns what a consumer of a stream gave up on, by sequence. An empty stream or consumer is any.
func (d *DeadLetters) Of(ctx context.Context, stream, consumer string) ([]Listed, error) {
	entries, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	marked, err := d.marked(ctx, entries)
	if err != nil {
		return nil, err
	}
	found := gathering{made: entries.made, marked: marked, found: map[key]*Listed{}}
	from := entries.last - min(entries.last, scanned) + 1
	err = entries.conn.ReadPages(ctx, d.Stream, from, func(m publish.Stored) error {
		a, ok := advisoryIn(m)
		if ok && (stream == "" || stream == a.Stream) && (consumer == "" || consumer == a.Consumer) {
			found.add(a, m)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all := found.all()
	slices.SortFunc(all, func(a, b Listed) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Consumer, b.Consumer), cmp.Compare(a.Sequence, b.Sequence))
	})
	return all, nil
}

// gathering makes messages of their entries.
type gathering struct {
	made   time.Time // when the stream of advisories was made
	marked map[of]*marks
	found  map[key]*Listed
}

// add adds an entry, which is younger than those before.
func (g gathering) add(a advisory, m publish.Stored) {
	replayed := g.marked[of{a.Stream, a.Consumer}].at(m.Sequence)
	one := g.found[key{a.Stream, a.Consumer, a.Sequence}]
	if one == nil || replayed == nil && one.ReplayedAt != nil { // it gave up again since
		one = &Listed{made: g.made}
		g.found[key{a.Stream, a.Consumer, a.Sequence}] = one
	}
	one.DeadLetter = DeadLetter{Stream: a.Stream, Consumer: a.Consumer, Sequence: a.Sequence, Deliveries: a.Deliveries, At: m.At, Reason: a.reason(), ReplayedAt: replayed}
	one.Entries = append(one.Entries, m.Sequence)
}

func (g gathering) all() []Listed {
	all := make([]Listed, 0, len(g.found))
	for _, one := range g.found {
		all = append(all, *one)
	}
	return all
}

// of names a consumer, and key a message that it was sent.
type (
	of  struct{ stream, consumer string }
	key struct {
		stream, consumer string
		sequence         uint64
	}
)

// List returns what a consumer gave up on, with the subjects and the ids of the events as far as their streams still hold them: the
// newest MaxDead, oldest first. An empty stream or consumer is any.
func (d *DeadLetters) List(ctx context.Context, stream, consumer string) ([]DeadLetter, error) {
	given, err := d.Of(ctx, stream, consumer)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(given, func(a, b Listed) int { return a.At.Compare(b.At) })
	all := make([]DeadLetter, 0, min(len(given), MaxDead))
	for _, one := range given[len(given)-min(len(given), MaxDead):] {
		all = append(all, one.DeadLetter)
	}
	return all, d.describe(ctx, all)
}
