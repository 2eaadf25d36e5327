package publish

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

// lastSubjects is how many subjects a request for last messages names: messages of a megabyte each then take 32 MiB.
const lastSubjects = 32

// Last returns the last message of each subject that a stream has one of, by subject. It is a direct get of several messages: a request
// that the client library does not have.
func (c *Conn) Last(ctx context.Context, stream string, subjects []string) (map[string]Kept, error) {
	last := make(map[string]Kept, len(subjects))
	for len(subjects) > 0 {
		n := min(len(subjects), lastSubjects)
		if err := c.last(ctx, stream, subjects[:n], last); err != nil {
			return nil, fmt.Errorf("read stream %s: %w", stream, err)
		}
		subjects = subjects[n:]
	}
	return last, nil
}

func (c *Conn) last(ctx context.Context, stream string, subjects []string, last map[string]Kept) error {
	request, err := json.Marshal(map[string]any{"multi_last": subjects, "batch": len(subjects)})
	if err != nil {
		return err
	}
	page, _, err := c.get(ctx, stream, request)
	if err != nil {
		return err
	}
	for _, msg := range page {
		kept, err := keptOf(msg)
		if err != nil {
			return err
		}
		last[kept.Subject] = kept
	}
	return nil
}

// get sends a direct get, and returns the messages that answer it, and whether there are more.
func (c *Conn) get(ctx context.Context, stream string, request []byte) (page []*nats.Msg, more bool, err error) {
	inbox := c.nats.NewInbox()
	answers, err := c.nats.SubscribeSync(inbox)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := answers.SetPendingLimits(-1, -1); err != nil { // the request has bounds
		return nil, false, err
	}
	if err := c.nats.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, request); err != nil {
		return nil, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, settles)
	defer cancel()
	for {
		msg, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return nil, false, err
		}
		switch status := msg.Header.Get("Status"); status {
		case "":
			if page = append(page, msg); msg.Header.Get(pendingHeader) == "" {
				return nil, false, errNoBatch
			}
		case "204": // the end of a page
			return page, msg.Header.Get(pendingHeader) != "0", nil
		case "404":
			return page, false, nil
		case "503":
			return nil, false, nats.ErrNoResponders
		default:
			return nil, false, fmt.Errorf("the server says %s %s", status, msg.Header.Get("Description"))
		}
	}
}
