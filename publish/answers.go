package publish

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// answers are a server's answers to messages that were sent over one connection, each with a number. One goroutine awaits them, in the
// order of the messages; a message costs no future and no timer of its own.
type answers struct {
	inbox string // prefix of reply subjects; the rest is the number of a message
	come  chan *nats.Msg
	early map[uint64]*nats.Msg // answers that came before those of earlier messages
	late  *time.Timer
}

// openAnswers returns the answers to at most so many messages at once, until the connection is closed.
func (c *Conn) openAnswers(most int) (*answers, error) {
	a := &answers{inbox: c.nats.NewInbox() + ".", come: make(chan *nats.Msg, most), early: map[uint64]*nats.Msg{}, late: time.NewTimer(time.Hour)}
	_, err := c.nats.ChanSubscribe(a.inbox+"*", a.come)
	return a, err
}

// replyTo returns the subject of the answer to a message with a number; inbox is the prefix of all.
func replyTo(inbox string, number uint64) string {
	return string(strconv.AppendUint(append(make([]byte, 0, 64), inbox...), number, 10))
}

// of returns the answer to a message, or an error if it has not come until a time.
func (a *answers) of(ctx context.Context, number uint64, until time.Time) (*nats.Msg, error) {
	if msg := a.early[number]; msg != nil {
		delete(a.early, number)
		return msg, nil
	}
	for {
		msg, err := a.next(ctx, until)
		if err != nil {
			return nil, err
		}
		got, err := strconv.ParseUint(msg.Subject[len(a.inbox):], 10, 64)
		if err == nil && got == number {
			return msg, nil
		}
		if err == nil {
			a.early[got] = msg
		}
	}
}

func (a *answers) next(ctx context.Context, until time.Time) (*nats.Msg, error) {
	select {
	case msg := <-a.come:
		return msg, nil
	default:
	}
	a.late.Reset(time.Until(until))
	select {
	case msg := <-a.come:
		return msg, nil
	case <-a.late.C:
		return nil, fmt.Errorf("no acknowledgement within %s", forwardTimeout)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
