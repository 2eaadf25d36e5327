package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Progress says on stderr how far a long work is.
type Progress struct {
	to       io.Writer
	terminal bool
	what     string // that is counted, such as records
	Quiet    bool   // show nothing: events are written to the same terminal
	began    time.Time
	before   int     // how many were done when it began, and
	partWas  float64 // what part of all that was
	shown    time.Time
	tried    time.Time // when it was last said that something is tried again
}

// NewProgress returns the progress of counting what, written to a stream.
func NewProgress(to io.Writer, what string) *Progress {
	return &Progress{to: to, terminal: IsTerminal(to), what: what, began: time.Now()}
}

// Resume sets how much was done before this run.
func (p *Progress) Resume(done int, part float64) { p.before, p.partWas = done, part }

// Show says it once a second on a terminal, else every ten; part is how much is done, from 0 to 1, or 0: not known.
func (p *Progress) Show(done int, part float64) {
	every := 10 * time.Second
	if p.Quiet {
		return
	}
	if p.terminal {
		every = time.Second
	}
	now := time.Now()
	last := p.shown
	if last.IsZero() {
		last = p.began // short work needs none
	}
	if now.Sub(last) < every {
		return
	}
	p.shown = now
	p.line(done, part)
}

func (p *Progress) line(done int, part float64) {
	took := time.Since(p.began)
	text := fmt.Sprintf("%d %s, %.0f/s", done, p.what, float64(done-p.before)/max(took.Seconds(), 0.001))
	if part > p.partWas && part < 1 {
		left := time.Duration(float64(took) * (1 - part) / (part - p.partWas))
		text += fmt.Sprintf(", %.0f %%, %s left", 100*part, left.Round(time.Second))
	}
	if !p.terminal {
		Say(p.to, "%s\n", text)
		return
	}
	if part > 0 {
		text = bar(part) + " " + text
	}
	Say(p.to, "\r\x1b[K%s", text)
}

// barWidth is that of the bar in characters.
const barWidth = 24

func bar(part float64) string {
	full := int(barWidth * min(1, part))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full) + "]"
}

// Say writes a line of its own above the bar. The text may be untrusted, so it is escaped.
func (p *Progress) Say(format string, args ...any) {
	for i, arg := range args {
		if err, ok := arg.(error); ok {
			args[i] = Plainly(err)
		}
	}
	if p.terminal && !p.shown.IsZero() {
		Say(p.to, "\r\x1b[K")
	}
	Say(p.to, "%s\n", Visible(fmt.Sprintf(format, args...)))
}

// End shows how far the work came.
func (p *Progress) End(done int, part float64) {
	if p.terminal && !p.shown.IsZero() {
		p.line(done, part)
		Say(p.to, "\n")
	}
}

// retryEvery is how often retries are reported.
const retryEvery = 10 * time.Second

// Retrying says what is retried, at most every ten seconds.
func (p *Progress) Retrying(err error) {
	if now := time.Now(); now.Sub(p.tried) >= retryEvery {
		p.tried = now
		p.Say("retrying: %s", err)
	}
}
