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

// Refused keeps what a remote NATS refuses for good, in a local stream.
type Refused struct {
	Shelf
	Conn *Conn
	// Commit brings what is kept to the disk; nil where the acknowledgement itself means that.
	Commit func(ctx context.Context) error
}

// reasonHeader says why the remote refused a message.
const reasonHeader = "crm-bridge-refused"

// keep stores a journal's message with the reason. It does not return nil until the copy would survive a power cut.
func (r *Refused) keep(ctx context.Context, journal string, sequence uint64, msg *nats.Msg, reason error) error {
	header := maps.Clone(msg.Header)
	id := header.Get(ownID)
	header[reasonHeader] = []string{headerText(reason.Error())}
	header[nats.ExpectedStreamHdr] = []string{r.Stream}
	// Not the bare id: a message that was tried again and refused again must not count as a repeat of the first.
	header[nats.MsgIdHdr] = []string{fmt.Sprintf("%s:%d", id, sequence)}
	kept := &nats.Msg{Subject: r.Stream + "." + strings.TrimPrefix(msg.Subject, journal+"."), Header: header, Data: msg.Data}
	_, err := r.Conn.js.PublishMsg(ctx, kept, jetstream.WithRetryAttempts(0))
	if err == nil && r.Commit != nil {
		err = r.Commit(ctx)
	}
	if err != nil {
		return fmt.Errorf("set %s aside in %s: %w", id, r.Stream, err)
	}
	return nil
}

// headerText is text in one line, as a header can hold it.
func headerText(text string) string { return strings.Join(strings.Fields(text), " ") }

// Reason says why the remote refused a message that Each gave.
func (r *Refused) Reason(kept Kept) string { return kept.header.Get(reasonHeader) }

// Subject returns the subject that a message was meant for.
func (r *Refused) Subject(kept Kept) string { return strings.TrimPrefix(kept.Subject, r.Stream+".") }

// Again puts a refused message at the end of the journal, to be sent once more. It stays on the shelf: drop it when this
// returns nil.
func (r *Refused) Again(ctx context.Context, kept Kept, journal *Journal) (Ack, error) {
	header := maps.Clone(kept.header)
	for _, name := range []string{reasonHeader, nats.MsgIdHdr} {
		delete(header, name)
	}
	return journal.put(ctx, r.Subject(kept), header, kept.Body)
}

// Event returns the event that a message holds.
func (k Kept) Event() (event.Event, error) { return ParseEvent(k.header, k.Body) }
