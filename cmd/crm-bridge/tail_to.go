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

// showAndPost returns what is done with an event: it is shown, with --to once the endpoint has accepted it. end reports what was posted.
func (o *tailOptions) showAndPost(ctx context.Context, out, progress io.Writer) (each func(publish.Stored) error, end func(), err error) {
	show := o.show(out)
	if o.to == "" {
		return show, func() {}, nil
	}
	to, err := o.endpoint(o.to, "")
	if err != nil {
		return nil, nil, err
	}
	bar := terminal.NewProgress(progress, "events")
	post := &tailPost{shown: replay.ShownEndpoint(to.URL), bar: bar, show: show}
	post.to = o.target(to, 1, bar.Retrying)
	bar.Say("posting events to %s as CloudEvents, %s; Ctrl-C ends it", post.shown, to.mode)
	return func(m publish.Stored) error { return post.one(ctx, m) }, post.end, post.to.Begin(ctx, 0, 0)
}

// tailPost posts live events.
type tailPost struct {
	to     *replay.Endpoint
	shown  string // the endpoint, without secrets
	bar    *terminal.Progress
	show   func(publish.Stored) error
	counts replay.Tally
	last   uint64 // sequence of the last event that was posted
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
