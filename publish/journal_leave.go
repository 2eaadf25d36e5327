package publish

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// leaveWithin is how long a settled message stays in the journal at most. The last one stays until none has followed for as long:
	// an empty journal begins a new file, which costs the next callback another sync.
	leaveWithin = 5 * time.Second
	// leaveEvery is how many bytes are settled between two looks at the journal's files.
	leaveEvery = 2 << 20
	// leaveTimeout bounds a request to remove messages.
	leaveTimeout = 5 * time.Second
)

// leaving are settled messages that are still in the journal, in order. Under load they leave by whole files, with one request: an
// acknowledgement for each costs the server more than storing it did. If the process is killed before, they are sent again, and the
// remote recognises their ids.
//
// Only files whose messages are all settled are removed, and the rest one by one from the first: anything else would make the server
// rewrite a file without a sync, and a power cut at that moment could lose events that were answered long ago.
type leaving struct {
	*Journal
	log      *slog.Logger
	messages []leavingMessage
	bytes    int64     // of them
	looked   int64     // bytes when the files were last looked at
	since    time.Time // when the first of them was settled
}

type leavingMessage struct {
	sequence uint64
	ack      string // the subject of its acknowledgement
	bytes    int64
}

// add adds a message that was settled at a time.
func (l *leaving) add(p passing, at time.Time) {
	if len(l.messages) == 0 {
		l.since = at
	}
	l.messages = append(l.messages, leavingMessage{p.sequence, p.ack, p.bytes})
	if l.bytes += p.bytes; l.bytes-l.looked >= leaveEvery {
		l.files()
		l.looked = l.bytes
	}
	if l.bytes > l.MaxSettled {
		l.first(len(l.messages) - 1)
	}
}

// due removes what has been in the journal for long enough. at is when the last message was settled.
func (l *leaving) due(now, at time.Time) {
	switch {
	case now.Sub(at) >= leaveWithin:
		l.all()
	case len(l.messages) > 1 && now.Sub(l.since) >= leaveWithin:
		l.files()
		l.first(len(l.messages) - 1)
	}
}

// files removes the files of which all messages are settled.
func (l *leaving) files() {
	if l.Blocks == nil || len(l.messages) == 0 {
		return
	}
	firsts, err := l.Blocks(l.messages[len(l.messages)-1].sequence)
	if err != nil || len(firsts) == 0 {
		return // they leave one by one
	}
	keep, n := firsts[len(firsts)-1], 0
	for n < len(l.messages) && l.messages[n].sequence < keep {
		n++
	}
	if n == 0 {
		return
	}
	if err := l.purge(keep); err != nil {
		l.log.Debug("forwarded events cannot be removed by whole files", "error", err)
		l.first(n)
		return
	}
	l.forget(n)
}

// purge removes all messages before a sequence.
func (l *leaving) purge(keep uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	stream, err := l.Conn.stream(ctx, l.Stream)
	if err != nil {
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSequence(keep))
}

// first removes the first n messages one by one, without waiting for that.
func (l *leaving) first(n int) {
	for _, m := range l.messages[:n] {
		if err := l.Conn.nats.Publish(m.ack, taken); err != nil {
			l.warn(err)
			break
		}
	}
	l.forget(n)
}

// all removes all messages, and returns when they have left.
func (l *leaving) all() {
	if len(l.messages) == 0 {
		return
	}
	l.files()
	l.first(len(l.messages) - 1)
	if _, err := l.Conn.nats.Request(l.messages[0].ack, taken, leaveTimeout); err != nil {
		l.warn(fmt.Errorf("message %d: %w", l.messages[0].sequence, err))
	}
	l.forget(1)
}

func (l *leaving) forget(n int) {
	for _, m := range l.messages[:n] {
		l.bytes -= m.bytes
	}
	l.messages = append(l.messages[:0], l.messages[n:]...)
	l.looked, l.since = min(l.looked, l.bytes), time.Now()
}

func (l *leaving) warn(err error) {
	l.log.Warn("forwarded events could not be removed from the journal and will be sent again", "error", err)
}
