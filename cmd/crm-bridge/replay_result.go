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

// replayed is the result of a replay.
type replayed struct {
	Job   string `json:"job,omitempty"`
	To    string `json:"to"`
	First uint64 `json:"first"` // sequence with which it could begin
	Last  uint64 `json:"last"`  // and end
	replay.Tally
	Gone    uint64  `json:"gone,omitempty"` // messages that left the stream before they were read
	Seconds float64 `json:"seconds"`
	Before  bool    `json:"before,omitempty"` // the job was done before

	place string // where a person finds the events
}

// print prints the result, for a person or as JSON.
func (done replayed) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return terminal.JSONEncoder(out).Encode(done)
	}
	if done.Before {
		return nil // that was said
	}
	text := fmt.Sprintf("%d events replayed to %s", done.Events, done.place)
	if done.Job != "" {
		text += " as job " + done.Job
	}
	for _, more := range []struct {
		n    uint64
		what string
	}{
		{done.Duplicates, "were there already"},
		{done.Refused, "refused and skipped"},
		{done.NotEvents, "messages are not events"},
		{done.Gone, "messages had left the stream before they were read"},
	} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	terminal.Say(out, "%s; %.1f s, %.0f/s\n", text, done.Seconds, float64(done.Events)/max(done.Seconds, 0.001))
	return nil
}

// errInterrupted ends a command after a signal.
var errInterrupted = errors.New("interrupted")

// explain says how a job that could not be finished is resumed.
func (p *replayPlan) explain(ctx context.Context, job *replay.Job, err error) error {
	kept := job.Store != nil
	switch {
	case errors.As(err, new(publish.MisfitError)), !kept && errors.Is(err, replay.ErrPermanent):
		return err
	case ctx.Err() != nil && !kept:
		return fmt.Errorf("%w after sequence %d: resume with --from-sequence %d", errInterrupted, job.At, job.At+1)
	case ctx.Err() != nil:
		return fmt.Errorf("%w: run the same command with --job %s to resume", errInterrupted, job.Name)
	case !kept:
		return fmt.Errorf("%w; the last replayed sequence is %d: resume with --from-sequence %d", err, job.At, job.At+1)
	case errors.As(err, new(replay.RefusedError)):
		return fmt.Errorf("job %s: %w; run the same command with --job %s --skip-refused to resume without it", job.Name, err, job.Name)
	case errors.Is(err, publish.ErrFull):
		err = fmt.Errorf("stream %s is full and rejects new events: wait until its oldest events expire (seven days), delete finished jobs (crm-bridge replay delete), or raise its limit", p.settings.ReplayStream())
	case errors.Is(err, replay.ErrPermanent):
		return fmt.Errorf("job %s: %w", job.Name, err)
	}
	return fmt.Errorf("job %s: %w; run the same command with --job %s to resume", job.Name, err, job.Name)
}
