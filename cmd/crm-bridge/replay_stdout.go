package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// toStdout writes events as JSON lines.
type toStdout struct {
	*replay
	out      *bufio.Writer
	line     []byte
	terminal bool
}

// outBuffer is how much is written at once.
const outBuffer = 256 << 10

func newToStdout(r *replay, out io.Writer) *toStdout {
	return &toStdout{replay: r, out: bufio.NewWriterSize(out, outBuffer), terminal: terminal.IsTerminal(out)}
}

func (t *toStdout) begin(context.Context) error { return nil }

// give writes a line as tail does.
func (t *toStdout) give(ctx context.Context, m publish.Stored) error {
	counts := tally{Read: 1, Events: 1}
	event, err := m.JSON()
	line := jsontext.AppendMember(append(t.line[:0], '{'), "subject", m.Subject)
	line = strconv.AppendUint(append(line, `,"sequence":`...), m.Sequence, 10)
	line = m.At.UTC().AppendFormat(append(line, `,"storedAt":"`...), time.RFC3339Nano)
	if err != nil {
		counts = tally{Read: 1, NoEvents: 1}
		line = jsontext.AppendString(append(line, `","error":`...), terminal.Plainly(err))
	} else {
		line = append(append(line, `","event":`...), event...)
	}
	t.line = append(line, '}', '\n')
	if t.terminal || !utf8.Valid(t.line) {
		t.line = terminal.VisibleJSON(t.line)
	}
	if _, err := t.out.Write(t.line); err != nil {
		return fmt.Errorf("%w: write the events: %w", errForGood, err)
	}
	return t.done(ctx, m.Sequence, counts)
}

func (t *toStdout) pass(ctx context.Context, m publish.Stored, counts tally) error {
	return t.done(ctx, m.Sequence, counts)
}

func (t *toStdout) flush(context.Context) error { return t.out.Flush() }

func (t *toStdout) keep(context.Context) error { return nil }
