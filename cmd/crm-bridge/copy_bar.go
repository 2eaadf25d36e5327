package main

import (
	"io"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// copyBar shows the progress of a copy, stream by stream, and then of the comparison.
type copyBar struct {
	to   io.Writer
	bar  *terminal.Progress
	what string // is counted
	done uint64
	part float64
}

func newCopyBar(to io.Writer) *copyBar {
	return &copyBar{to: to, bar: terminal.NewProgress(to, "messages")}
}

// show shows how many of what are done.
func (b *copyBar) show(what string, done, all uint64) {
	if what != b.what {
		b.end()
		b.bar, b.what = terminal.NewProgress(b.to, what), what
	}
	b.done, b.part = done, float64(done)/float64(max(all, 1))
	b.bar.Show(int(b.done), b.part)
}

func (b *copyBar) say(text string)    { b.bar.Say("%s", text) }
func (b *copyBar) retrying(err error) { b.bar.Retrying(err) }

// end shows how far the work came, once.
func (b *copyBar) end() {
	b.bar.End(int(b.done), b.part)
	b.bar, b.what = terminal.NewProgress(b.to, "messages"), ""
}
