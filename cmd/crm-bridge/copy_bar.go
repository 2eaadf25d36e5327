package main

import (
	"io"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// copyBar shows the progress of a copy, stream by stream.
type copyBar struct {
	to     io.Writer
	bar    *terminal.Progress
	stream string
	done   uint64
	part   float64
}

func newCopyBar(to io.Writer) *copyBar {
	return &copyBar{to: to, bar: terminal.NewProgress(to, "messages")}
}

// show shows how many messages of a stream are copied.
func (b *copyBar) show(stream string, done, all uint64) {
	if stream != b.stream {
		b.end()
		b.bar, b.stream = terminal.NewProgress(b.to, "messages of "+terminal.Visible(stream)), stream
	}
	b.done, b.part = done, float64(done)/float64(max(all, 1))
	b.bar.Show(int(b.done), b.part)
}

func (b *copyBar) say(text string)    { b.bar.Say("%s", text) }
func (b *copyBar) retrying(err error) { b.bar.Retrying(err) }
func (b *copyBar) end()               { b.bar.End(int(b.done), b.part) }
