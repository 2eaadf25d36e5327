package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// tailPost posts live events.
type tailPost struct {
	to     *replay.Endpoint
	shown  string // the endpoint, without secrets
	bar    *terminal.Progress
	show   func(publish.Stored) error
	counts replay.Tally
	last   uint64 // sequence of the last event that was posted
}

// openTailPost checks the endpoint. show shows an event that it has accepted.
func openTailPost(ctx context.Context, f *endpointFlags, url string, show func(publish.Stored) error, progress io.Writer) (*tailPost, error) {
	to, err := f.endpoint(url, "")
	if err != nil {
		return nil, err
	}
	bar := terminal.NewProgress(progress, "events")
	p := &tailPost{to: f.target(to, 1, bar.Retrying), shown: replay.ShownEndpoint(to.URL), bar: bar, show: show}
	bar.Say("posting events to %s as CloudEvents, %s; Ctrl-C ends it", p.shown, to.mode)
	return p, p.to.Begin(ctx, 0, 0)
}

// errLeftOut says that an event was not posted, and that tail goes on without it.
var errLeftOut = errors.New("left out")

// one posts an event, and returns when the endpoint has accepted it.
func (p *tailPost) one(ctx context.Context, m publish.Stored) error {
	report, err := p.to.Deliver(ctx, m)
	var not replay.NotEventError
	var refused replay.RefusedError
	switch {
	case errors.As(err, &not):
		p.bar.Say("skipped: message %d on %s: %s", m.Sequence, m.Subject, not)
		return errLeftOut
	case errors.As(err, &refused):
		return fmt.Errorf("%w; add --skip-refused to go on without such events", err)
	case err != nil:
		return err
	}
	if len(report.Skipped) > 0 {
		p.counts.Refused++
		p.bar.Say("skipped: %s", report.Skipped[0])
		return errLeftOut
	}
	p.counts.Events++
	p.last = m.Sequence
	return p.show(m)
}

// end reports what was posted.
func (p *tailPost) end() {
	text := fmt.Sprintf("%d events posted to %s", p.counts.Events, p.shown)
	if p.last > 0 {
		text += fmt.Sprintf(", the last is #%d", p.last)
	}
	if p.counts.Refused > 0 {
		text += fmt.Sprintf("; %d rejected and skipped", p.counts.Refused)
	}
	p.bar.Say("%s", text)
}
