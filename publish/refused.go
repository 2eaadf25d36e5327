package publish

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Refused keeps messages in a local stream that a remote NATS rejects permanently, and those that wait for a stream which it does not
// have now.
type Refused struct {
	Shelf
	Journal *Journal // the messages come from it, and return to its end; nil: there are none
	Conn    *Conn
	Commit  Commit // of what is kept
}

const (
	reasonHeader = "crm-bridge-refused" // why the remote rejected a message
	waitsHeader  = "crm-bridge-waits"   // the stream that it waits for; without it the message was rejected permanently
)

// keep stores a message of the journal with the reason, and the stream that it waits for. It returns nil only when the copy would survive a
// power cut.
func (r *Refused) keep(ctx context.Context, p passing, reason error, waits string) error {
	header := nats.Header{}
	maps.Copy(header, p.msg.Header)
	header[forStream], header[ownID] = []string{p.stream}, []string{p.id}
	header[reasonHeader] = []string{headerText(reason.Error())}
	if waits != "" {
		header[waitsHeader] = []string{waits}
	}
	header[nats.ExpectedStreamHdr] = []string{r.Stream}
	// Not the bare id: a message that was retried and rejected again must not count as a repeat.
	header[nats.MsgIdHdr] = []string{fmt.Sprintf("%s:%d", p.id, p.sequence)}
	kept := &nats.Msg{Subject: r.Stream + "." + strings.TrimPrefix(p.msg.Subject, r.Journal.Stream+"."), Header: header, Data: p.msg.Data}
	_, err := r.Conn.js.PublishMsg(ctx, kept, jetstream.WithRetryAttempts(0))
	if err = r.Commit.after(ctx, err); err != nil {
		return fmt.Errorf("set %s aside in %s: %w", p.id, r.Stream, err)
	}
	return nil
}

// headerText returns text in one line, for a header.
func headerText(text string) string { return strings.Join(strings.Fields(text), " ") }

// Each calls f for every kept message, oldest first. It returns the first error of f.
func (r *Refused) Each(ctx context.Context, f func(Kept) error) error { return r.After(ctx, 0, f) }

// After is Each for the messages behind a sequence.
func (r *Refused) After(ctx context.Context, sequence uint64, f func(Kept) error) error {
	if r.Journal == nil {
		return nil
	}
	return r.Shelf.After(ctx, sequence, f)
}

// Find returns the kept message with an id.
func (r *Refused) Find(ctx context.Context, id string) (kept Kept, found bool, err error) {
	if r.Journal == nil {
		return Kept{}, false, nil
	}
	return r.Shelf.Find(ctx, id)
}

// Reason returns why the remote rejected a message that Each passed.
func (r *Refused) Reason(kept Kept) string { return kept.header.Get(reasonHeader) }

// Subject returns the subject that a message was published to.
func (r *Refused) Subject(kept Kept) string { return strings.TrimPrefix(kept.Subject, r.Stream+".") }

// Again appends a refused message to the journal, to be sent again. It stays on the shelf: drop it when this returns nil.
func (r *Refused) Again(ctx context.Context, kept Kept) (Ack, error) {
	header := maps.Clone(kept.header)
	for _, name := range []string{reasonHeader, waitsHeader, nats.MsgIdHdr} {
		delete(header, name)
	}
	return r.Journal.put(ctx, r.Subject(kept), header, kept.Body)
}

// bringBack moves messages whose streams are usable now to the end of the journal. It reports whether any still wait.
func (r *Refused) bringBack(ctx context.Context, streams map[string]Stream) (waits bool, err error) {
	err = r.Each(ctx, func(kept Kept) error {
		stream, known := streams[kept.header.Get(waitsHeader)]
		switch {
		case !known:
			return nil
		case stream.Unusable != nil:
			waits = true
			return nil //nolint:nilerr // it is kept here
		}
		if _, err := r.Again(ctx, kept); err != nil {
			return err
		}
		return r.Drop(ctx, kept)
	})
	return waits || err != nil, err
}

// Event returns the event in a kept message.
func (k Kept) Event() (event.Event, error) { return ParseEvent(k.header, k.Body) }
