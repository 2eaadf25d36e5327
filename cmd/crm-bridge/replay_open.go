package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

const replayAge = 7 * 24 * time.Hour

// newJob begins a job over a span.
func (p *replayPlan) newJob(ctx context.Context, span *publish.Span) (*replayJob, error) {
	now := time.Now()
	job := &replayJob{Name: p.job, Asked: p.asked, Made: span.Made, First: span.First, Last: span.Last, Began: now.UTC()}
	if job.Name == "" {
		job.Name = newJobName(now)
	}
	var err error
	job.Total, err = span.Count(ctx, span.First)
	return job, err
}

// openJob goes on with the job of the plan's name, or begins it.
func (p *replayPlan) openJob(ctx context.Context, held replayStore, r *replay) (err error) {
	if file, ok := held.(*stateFile); ok && p.job == "" {
		p.job = file.job()
	}
	var had *replayJob
	if p.job != "" {
		if had, err = loadJob(ctx, held, p.job); err != nil {
			return err
		}
	}
	if had != nil && !p.restart {
		if differs := had.Asked.differs(p.asked); differs != "" {
			return fmt.Errorf("job %s was begun with other flags: %s; give it those, another --job, or --restart", had.Name, differs)
		}
		if !had.Made.Equal(r.span.Made) {
			return fmt.Errorf("job %s was begun on a stream %s that was made at another time: give another --job, or --restart", had.Name, p.settings.Stream)
		}
		r.job = had
		return nil
	}
	if r.job, err = p.newJob(ctx, r.span); err != nil {
		return err
	}
	r.job.store = held
	if had != nil {
		r.job.revision = had.revision
	}
	return nil
}

// claims is how often a run tries to take a job over from another that keeps it after each event.
const claims = 100

// claim saves the job before anything is done, so that an earlier run of it that is still at work ends.
func (j *replayJob) claim(ctx context.Context) error {
	fresh := j.Run == ""
	for tries := 1; ; tries++ {
		if !j.Ended.IsZero() {
			return nil
		}
		j.Run = rand.Text()
		err := j.save(ctx)
		if !errors.As(err, new(atWork)) || fresh && j.revision == 0 || j.Unmade && !fresh || tries == claims {
			return err
		}
		// The other has come further between our look and our claim.
		now, err := loadJob(ctx, j.store, j.Name)
		switch {
		case err != nil:
			return err
		case now == nil:
			return fmt.Errorf("%w: the state of job %s was removed", errForGood, j.Name)
		case fresh:
			j.revision = now.revision
		default:
			*j = *now
		}
	}
}

// runEnds is when an earlier run publishes nothing more: it does so only within savesEvery after it kept the job.
const runEnds = savesEvery + time.Second

// takeOver claims the job, and returns when an earlier run of it publishes nothing more.
func (j *replayJob) takeOver(ctx context.Context) error {
	if err := j.claim(ctx); err != nil || !j.Ended.IsZero() {
		return err
	}
	return sleep(ctx, runEnds)
}

// job is the name of the job that the file holds; empty: none.
func (f *stateFile) job() string {
	var of struct{ Name string }
	_ = json.Unmarshal(f.is, &of) // loadJob says what is wrong with it
	return of.Name
}

// openSubject makes sure of the stream that takes the job's events, and of what is in it.
func (p *replayPlan) openSubject(ctx context.Context, conn *publish.Conn, r *replay) error {
	s := p.settings
	window := 2 * time.Minute
	if s.Embedded() {
		// It only has to outlast what is on its way when a connection breaks, and each id in it costs memory.
		window = 10 * time.Second
	}
	stream, warnings, err := conn.EnsureStream(ctx, publish.StreamConfig{
		Name: s.ReplayStream(), Description: "Events that were replayed, for each job on subjects of its own", Subjects: []string{s.SubjectPrefix + "-replay.>"},
		MaxAge: replayAge, DefaultMaxBytes: store.ReplayRoom.On(s.DataDir, s.Embedded()), RoomShare: store.ReplayRoom.OfAccount, Replicas: s.StreamReplicas, Duplicates: window, DiscardNew: true,
		Apply: s.StreamApply, Changed: func(setting, from, to string) {
			r.bar.Say("stream %s: %s is changed from %s to %s", s.ReplayStream(), setting, from, to)
		},
	})
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		r.bar.Say("%s", warning)
	}
	to := &toSubject{replay: r, to: &publish.Replay{Conn: conn, Stream: stream.Name, Prefix: s.SubjectPrefix, Job: r.job.Name}, skip: p.skipRefused}
	r.target = to
	if r.job.Unmade || r.job.Run == "" {
		err = p.makeRoom(ctx, to)
	} else {
		err = r.job.takeOver(ctx)
	}
	if err != nil || !s.Syncs() {
		return err
	}
	committer, err := publish.OpenCommitter(s.DataDir, stream.Name)
	if err != nil {
		return fmt.Errorf("BRIDGE_DATA_DIR: %w", err)
	}
	to.commit = committer.Commit
	return nil
}

// makeRoom begins a job whose subjects hold nothing of an earlier job of its name.
func (p *replayPlan) makeRoom(ctx context.Context, to *toSubject) error {
	last, own, err := to.to.Last(ctx)
	if err != nil {
		return err
	}
	if !own.IsZero() && to.job.revision == 0 && !p.restart {
		return fmt.Errorf("stream %s holds events of another job %s already: give another --job, or --restart", to.to.Stream, to.job.Name)
	}
	to.job.Unmade, to.job.Beside = true, last
	if err := to.job.claim(ctx); err != nil {
		return err
	}
	if !own.IsZero() {
		if err := sleep(ctx, runEnds); err != nil {
			return err
		}
		free, err := to.to.Forget(ctx)
		if err != nil {
			return err
		}
		if left := time.Until(free); left > 0 {
			to.bar.Say("what job %s had published is removed; it begins in %s, when the stream has forgotten the ids", to.job.Name, left.Round(time.Second))
			if err := sleep(ctx, left); err != nil {
				return err
			}
		}
		if p.settings.Syncs() { // a deletion inside a stream rewrites blocks
			if err := publish.SyncStream(p.settings.DataDir, to.to.Stream); err != nil {
				return err
			}
		}
	}
	to.job.Unmade = false
	return to.job.save(ctx)
}
