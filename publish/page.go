package publish

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// pageFrom is where a page of a stream begins.
type pageFrom struct {
	Sequence uint64     `json:"seq,omitempty"`
	Time     *time.Time `json:"start_time,omitempty"`   // instead of a sequence
	Subject  string     `json:"next_by_subj,omitempty"` // of all its messages; empty: any
}

// The bounds of a page. The server ends it with the message that reaches the second one.
const (
	pageMessages = 512
	firstPage    = 64 // somebody waits for the first messages, or for a certain one
	pageBytes    = 1 << 20
)

// page returns the next messages of a stream, oldest first, at most so many, and whether there are more. It is a direct get of a batch,
// which needs no consumer: a request that the client library does not have. With a filter of subjects the server (2.15) counts, for each
// page, what is behind it: that is cheap for one subject alone.
func (c *Conn) page(ctx context.Context, stream string, from pageFrom, most int) (page []*nats.Msg, more bool, err error) {
	request, err := json.Marshal(struct {
		pageFrom
		Batch    int `json:"batch"`
		MaxBytes int `json:"max_bytes"`
	}{from, most, pageBytes})
	if err != nil {
		return nil, false, err
	}
	return c.get(ctx, stream, request)
}

// errNoBatch says that a server answered a request for several messages with one.
var errNoBatch = errors.New("the server does not serve direct gets of several messages: NATS 2.11 or later does")

// pendingHeader says in a page how many messages follow it.
const pendingHeader = "Nats-Num-Pending"

// keptOf returns a message of a page as it was kept.
func keptOf(msg *nats.Msg) (Kept, error) {
	header := msg.Header
	sequence, err := strconv.ParseUint(header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return Kept{}, fmt.Errorf("a message without its sequence: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return Kept{}, fmt.Errorf("message %d: %w", sequence, err)
	}
	kept := Kept{
		ID: cmp.Or(header.Get(idHeader), header.Get(ownID)), Subject: header.Get(jetstream.SubjectHeader), Sequence: sequence, At: at, Body: msg.Data, header: header,
	}
	for _, name := range []string{jetstream.StreamHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer, jetstream.SubjectHeader, jetstream.LastSequenceHeader, pendingHeader} {
		delete(header, name) // of this read: they must not be sent on with the message
	}
	return kept, nil
}
