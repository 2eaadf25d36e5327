package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// openTarget loads or begins the job, and opens what takes its events.
func (p *replayPlan) openTarget(ctx context.Context, conn *publish.Conn, r *replay.Run, out io.Writer, bar *terminal.Progress) (closeTarget func(), err error) {
	closeTarget = func() {}
	if p.to == stdoutTarget {
		to := newLines(out)
		r.Target, r.Idle = to, func() { _, _ = to.Flush(ctx) } // a write that fails does so again
		r.Job, err = replay.NewJob(ctx, p.job, p.asked, r.Span)
		return closeTarget, err
	}
	var jobs replay.JobStore
	var place *replay.Place
	if p.state != "" {
		file, err := replay.OpenFile(p.state)
		if err != nil {
			return closeTarget, fmt.Errorf("--state: %w", err)
		}
		p.job = cmp.Or(p.job, file.JobName())
		jobs, closeTarget = file, func() { _ = file.Close() }
	} else if place, err = p.openPlace(ctx, conn, bar); err != nil {
		if p.endpoint.URL != nil {
			err = fmt.Errorf("%w; where you may only read, keep the job in a file: --state FILE", err)
		}
		return closeTarget, err
	} else {
		jobs = place.State
	}
	if r.Job, err = p.openJob(ctx, jobs, r.Span); err == nil && p.endpoint.URL != nil {
		r.Target = p.target(p.endpoint, p.parallel, bar.Retrying)
		err = r.Job.Claim(ctx)
	} else if err == nil {
		r.Target, err = p.openSubject(ctx, place, r.Job, bar)
	}
	if err != nil {
		closeTarget()
	}
	return closeTarget, err
}

// newLines writes events as tail --json does.
func newLines(out io.Writer) *replay.Lines {
	shown := func(line []byte) []byte {
		if utf8.Valid(line) {
			return line
		}
		return terminal.VisibleJSON(line)
	}
	if terminal.IsTerminal(out) {
		shown = terminal.VisibleJSON
	}
	return replay.NewLines(out, terminal.Plainly, shown)
}

// openPlace opens where jobs are kept beside the stream, after pruning old ones.
func (p *replayPlan) openPlace(ctx context.Context, conn *publish.Conn, bar *terminal.Progress) (*replay.Place, error) {
	place := bridge.ReplayPlace(p.settings, conn, func(text string) { bar.Say("%s", text) })
	if err := place.State.Open(ctx); err != nil {
		return nil, err
	}
	if err := place.Prune(ctx); err != nil {
		bar.Say("old jobs are not removed: %s", err)
	}
	return place, nil
}

// openJob resumes the job of the plan's name, or begins it.
func (p *replayPlan) openJob(ctx context.Context, jobs replay.JobStore, span *publish.Span) (job *replay.Job, err error) {
	var had *replay.Job
	if p.job != "" {
		if had, err = replay.Load(ctx, jobs, p.job); err != nil {
			return nil, err
		}
	}
	if had != nil && !p.restart && !had.Deleted() && !p.follows(had) {
		if differs := differences(had.Request, p.asked); differs != "" {
			return nil, fmt.Errorf("job %s was started with other flags: %s; use those, another --job, or --restart", had.Name, differs)
		}
		if !had.Made.Equal(span.Made) {
			return nil, fmt.Errorf("job %s was started on an earlier stream %s: use another --job, or --restart", had.Name, p.settings.Stream)
		}
		return had, nil
	}
	if job, err = replay.NewJob(ctx, p.job, p.asked, span); err != nil {
		return nil, err
	}
	job.Store, job.Entries = jobs, p.lastEntry()
	if had != nil {
		job.Replace(had)
	}
	return job, nil
}

// differences returns what differs between a job's request and this one; empty: nothing.
func differences(was, now replay.Request) string {
	var all []string
	for _, one := range was.Differences(now) {
		name := "--" + one.Name
		if one.Name == "stream" {
			name = "the stream"
		}
		all = append(all, fmt.Sprintf("%s was %s, now %s", name, cmp.Or(one.Was, "not given"), cmp.Or(one.Is, "not given")))
	}
	return strings.Join(all, "; ")
}

// openSubject claims the job's subjects.
func (p *replayPlan) openSubject(ctx context.Context, place *replay.Place, job *replay.Job, bar *terminal.Progress) (*replay.Subject, error) {
	to, err := place.Subject(ctx, job, replay.Start{Restart: p.restart, Append: p.dead != "" && !p.restart, Removed: func(left time.Duration) {
		bar.Say("removed what job %s had published; it starts in %s, after the stream's duplicate window", job.Name, left.Round(time.Second))
	}})
	if errors.Is(err, replay.ErrJobExists) {
		err = fmt.Errorf("%w: give another --job, or --restart", err)
	}
	if err != nil {
		return nil, err
	}
	to.SkipRefused = p.skipRefused
	return to, nil
}
