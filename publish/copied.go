package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The headers that only a copied message has.
const (
	storedFirst = "crm-stored-at"     // when the stream that took it first did so
	copiedFrom  = "crm-copy-sequence" // its sequence in the stream that it was copied from, if that is another one here
)

// Copying is how a message is copied from a stream into one of the same name elsewhere.
type Copying struct {
	Stream string
	After  uint64        // the target takes the message only if this is the sequence of its last one
	Number bool          // the copy says which sequence it had
	Unique bool          // the target ignores the message if it has taken one of that id within its window
	TTL    time.Duration // after which the target removes it; 0: when the stream does
}

// Message returns the copy of a message: verbatim, but without headers that the server would interpret.
func (c Copying) Message(m Stored) *nats.Msg {
	header := make(nats.Header, len(m.Header)+6)
	for name, values := range m.Header {
		if !strings.HasPrefix(strings.ToLower(name), "nats-") && name != copiedFrom {
			header[name] = values
		}
	}
	if id := m.MessageID(); id != "" && c.Unique {
		header[nats.MsgIdHdr] = []string{id}
		delete(header, ownID)
	} else if id != "" {
		header[ownID] = []string{id}
	}
	header[storedFirst] = []string{m.FirstStored().UTC().Format(time.RFC3339Nano)}
	if c.Number {
		header[copiedFrom] = []string{strconv.FormatUint(m.Sequence, 10)}
	}
	if c.TTL > 0 {
		header[jetstream.MsgTTLHeader] = []string{max(c.TTL, time.Second).Round(time.Second).String()}
	}
	header[nats.ExpectedStreamHdr] = []string{c.Stream}
	header[nats.ExpectedLastSeqHdr] = []string{strconv.FormatUint(c.After, 10)}
	return &nats.Msg{Subject: m.Subject, Header: header, Data: m.Data}
}

// MessageID returns the id by which a server recognises, or with too many ids would have recognised, a repeated message; empty: none.
func (s Stored) MessageID() string {
	header := nats.Header(s.Header)
	return cmp.Or(header.Get(nats.MsgIdHdr), header.Get(ownID))
}

// FirstStored returns when a message was stored; of a copy, when the original was.
func (s Stored) FirstStored() time.Time {
	if at, err := time.Parse(time.RFC3339Nano, nats.Header(s.Header).Get(storedFirst)); err == nil {
		return at
	}
	return s.At
}

// CopiedFrom returns the sequence that a copied message had in the stream that it was copied from; copied is false for any other message.
func (s Stored) CopiedFrom() (sequence uint64, copied bool) {
	header := nats.Header(s.Header)
	if header.Get(storedFirst) == "" {
		return 0, false
	}
	if sequence, err := strconv.ParseUint(header.Get(copiedFrom), 10, 64); err == nil {
		return sequence, true
	}
	return s.Sequence, true
}

// OwnHeaders returns the headers of a message that it keeps when it is copied.
func (s Stored) OwnHeaders() map[string][]string {
	own := make(map[string][]string, len(s.Header))
	for name, values := range s.Header {
		if !strings.HasPrefix(strings.ToLower(name), "nats-") && name != ownID && name != storedFirst && name != copiedFrom {
			own[name] = values
		}
	}
	return own
}

// Send sends a message, and does not wait for its acknowledgement.
func (c *Conn) Send(msg *nats.Msg) (*Sending, error) {
	if !c.nats.IsConnected() {
		return nil, errNotConnected
	}
	future, err := c.js.PublishMsgAsync(msg, jetstream.WithRetryAttempts(0), jetstream.WithStallWait(time.Second))
	if err != nil {
		return nil, explainSending(msg.Subject, err)
	}
	return &Sending{msg.Subject, future}, nil
}

// Made returns how many connections to NATS were made. When it grows, what was sent before and is not acknowledged may be lost, while what
// is sent from now on is stored.
func (c *Conn) Made() uint64 { return c.nats.Stats().Reconnects + 1 }

// Messages returns how many messages a stream holds; 0: none, or there is no such stream.
func (c *Conn) Messages(ctx context.Context, stream string) (uint64, error) {
	have, err := c.stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return have.CachedInfo().State.Msgs, nil
}

// copiedTo is the metadata of a stream in a data folder whose messages up to that sequence are elsewhere too.
const copiedTo = "crm-bridge-copied"

// MarkCopied notes in a stream that its messages up to a sequence are elsewhere too.
func (c *Conn) MarkCopied(ctx context.Context, stream string, sequence uint64) error {
	have, err := c.stream(ctx, stream)
	if err != nil {
		return err
	}
	config := have.CachedInfo().Config
	metadata := maps.Clone(config.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata[copiedTo] = strconv.FormatUint(sequence, 10)
	config.Metadata = metadata
	if _, err = c.js.UpdateStream(ctx, config); err != nil {
		return fmt.Errorf("note that stream %s is copied: %w", stream, err)
	}
	return nil
}

// NotCopied is Streams without those all of whose messages are elsewhere too.
func (c *Conn) NotCopied(ctx context.Context) (map[string]uint64, error) {
	return c.streams(ctx, func(info *jetstream.StreamInfo) bool {
		upto, err := strconv.ParseUint(info.Config.Metadata[copiedTo], 10, 64)
		return err != nil || upto < info.State.LastSeq
	})
}
