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
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

const (
	// replayAge is how long replayed events are kept.
	replayAge = 7 * 24 * time.Hour
	// jobsAreKept is how long the state of a job is kept after its last step.
	jobsAreKept = 30 * 24 * time.Hour
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
	if p.state != "" {
		file, err := replay.OpenFile(p.state)
		if err != nil {
			return closeTarget, fmt.Errorf("--state: %w", err)
		}
		p.job = cmp.Or(p.job, file.JobName())
		jobs, closeTarget = file, func() { _ = file.Close() }
	} else if jobs, err = p.openJobs(ctx, conn, bar); err != nil {
		if p.endpoint != nil {
			err = fmt.Errorf("%w; where you may only read, keep the job in a file: --state FILE", err)
		}
		return closeTarget, err
	}
	if r.Job, err = p.openJob(ctx, jobs, r.Span); err == nil && p.endpoint != nil {
		r.Target = &replay.Endpoint{
			URL: p.endpoint.String(), Header: p.header, Mode: p.mode, SkipRefused: p.skipRefused, Patience: p.retryFor, Again: bar.Retrying, Parallel: p.parallel,
		}
		err = r.Job.Claim(ctx)
	} else if err == nil {
		r.Target, err = p.openSubject(ctx, conn, r.Job, bar)
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

// openJobs returns the bucket in which jobs are kept, after pruning jobs untouched for 30 days.
func (p *replayPlan) openJobs(ctx context.Context, conn *publish.Conn, bar *terminal.Progress) (replay.JobStore, error) {
	s := p.settings
	state := bridge.SharedState(s, func() (*publish.Conn, error) { return conn, nil })
	if s.Syncs() {
		state.Commit = func(context.Context) error { return disk.SyncStream(s.DataDir, "KV_"+s.StateBucket()) }
	}
	if err := state.Open(ctx); err != nil {
		return nil, err
	}
	if err := state.Prune(ctx, replay.KeyPrefix, time.Now().Add(-jobsAreKept)); err != nil {
		bar.Say("old jobs are not removed: %s", err)
	}
	return state, nil
}

// openJob resumes the job of the plan's name, or begins it.
func (p *replayPlan) openJob(ctx context.Context, jobs replay.JobStore, span *publish.Span) (job *replay.Job, err error) {
	var had *replay.Job
	if p.job != "" {
		if had, err = replay.Load(ctx, jobs, p.job); err != nil {
			return nil, err
		}
	}
	if had != nil && !p.restart && !p.follows(had) {
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

// replayWindow is how long the stream that takes replayed events recognises an id. On the embedded server it only has to outlast what is in
// flight when a connection breaks, and each id in it costs memory.
func replayWindow(s config.Settings) time.Duration {
	if s.Embedded() {
		return 10 * time.Second
	}
	return 2 * time.Minute
}

// openSubject creates or updates the stream that takes the job's events, and claims the job's subjects.
func (p *replayPlan) openSubject(ctx context.Context, conn *publish.Conn, job *replay.Job, bar *terminal.Progress) (*replay.Subject, error) {
	s := p.settings
	stream, warnings, err := conn.EnsureStream(ctx, publish.StreamConfig{
		Name: s.ReplayStream(), Description: "Events that were replayed, for each job on subjects of its own", Subjects: []string{s.SubjectPrefix + "-replay.>"},
		MaxAge: replayAge, DefaultMaxBytes: store.ReplayRoom.On(s.DataDir, s.Embedded()), RoomShare: store.ReplayRoom.OfAccount, Replicas: s.StreamReplicas, Duplicates: replayWindow(s), DiscardNew: true,
		Apply: s.StreamApply, Changed: func(setting, from, to string) {
			bar.Say("stream %s: %s changed from %s to %s", s.ReplayStream(), setting, from, to)
		},
	})
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		bar.Say("%s", warning)
	}
	to := &replay.Subject{
		To: &publish.Replay{Conn: conn, Stream: stream.Name, Prefix: s.SubjectPrefix, Job: job.Name}, SkipRefused: p.skipRefused, Append: p.dead != "" && !p.restart,
		Removed: func(left time.Duration) {
			bar.Say("removed what job %s had published; it starts in %s, after the stream's duplicate window", job.Name, left.Round(time.Second))
		},
	}
	if s.Syncs() {
		to.SyncAll = func() error { return disk.SyncStream(s.DataDir, stream.Name) }
	}
	if err := to.Claim(ctx, job, p.restart); err != nil {
		if errors.Is(err, replay.ErrJobExists) {
			err = fmt.Errorf("%w: give another --job, or --restart", err)
		}
		return nil, err
	}
	if s.Syncs() {
		committer, err := disk.OpenCommitter(s.DataDir, stream.Name, disk.Options{})
		if err != nil {
			return nil, fmt.Errorf("BRIDGE_DATA_DIR: %w", err)
		}
		to.Commit = committer.Commit
	}
	return to, nil
}
