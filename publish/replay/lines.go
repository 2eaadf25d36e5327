package replay

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Lines is a target that writes events as lines of JSON.
type Lines struct {
	immediate
	out   *bufio.Writer
	line  []byte
	plain func(error) string
	shown func(line []byte) []byte
}

// outBuffer is how much is written at once.
const outBuffer = 256 << 10

// NewLines returns a target that writes to out. plain returns the text of an error, which replaces a message that is not an event;
// shown returns a line as it is to be written.
func NewLines(out io.Writer, plain func(error) string, shown func(line []byte) []byte) *Lines {
	return &Lines{out: bufio.NewWriterSize(out, outBuffer), plain: plain, shown: shown}
}

// Deliver implements Target.
func (t *Lines) Deliver(_ context.Context, m publish.Stored) (Report, error) {
	counts := Tally{Read: 1, Events: 1}
	line, err := m.AppendLine(t.line[:0], t.plain)
	if err != nil {
		counts = Tally{Read: 1, NotEvents: 1}
	}
	t.line = line
	if _, err := t.out.Write(t.shown(line)); err != nil {
		return Report{}, fmt.Errorf("%w: write the events: %w", ErrPermanent, err)
	}
	return done(m.Sequence, counts), nil
}

// Flush implements Target.
func (t *Lines) Flush(context.Context) (Report, error) { return Report{}, t.out.Flush() }
