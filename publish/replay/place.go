package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// Place is where jobs are kept, and where those to subjects publish. Set the fields once.
type Place struct {
	Conn   *publish.Conn
	State  *publish.Bucket      // of the jobs
	Stream publish.StreamConfig // that takes events which are replayed to subjects; the first such job makes it
	Prefix string               // first token of live subjects
	Warn   func(text string)    // called with how that stream differs from what is configured
	Dir    string               // the data folder where its streams have to be synced; empty: an acknowledgement says that they are
}

// ToSubject is the Request.Target of a job that publishes on subjects of its own.
const ToSubject = "subject"

// jobsAreKept is how long the state of a job is kept after its last step.
const jobsAreKept = 30 * 24 * time.Hour

// Prune removes jobs untouched for 30 days.
func (p *Place) Prune(ctx context.Context) error {
	return p.State.Prune(ctx, KeyPrefix, time.Now().Add(-jobsAreKept))
}

// Start says how a job to its own subjects begins.
type Start struct {
	Restart bool                     // what an earlier job of the name has published is removed
	Append  bool                     // it stays, and this job's events follow it
	Removed func(left time.Duration) // called before a removal is waited for; nil: nothing is
}

// Subject claims a job, and returns the target that publishes on its own subjects; close it after use. It makes or updates the stream that
// takes the events.
func (p *Place) Subject(ctx context.Context, job *Job, start Start) (*Subject, error) {
	stream, warnings, err := p.Conn.EnsureStream(ctx, p.Stream)
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		p.Warn(warning)
	}
	to := &Subject{To: p.replay(job.Name), Append: start.Append, Removed: start.Removed}
	if p.Dir != "" {
		to.SyncAll = p.syncAll
	}
	if err := to.Claim(ctx, job, start.Restart); err != nil || p.Dir == "" {
		return to, err
	}
	if to.committer, err = disk.OpenCommitter(p.Dir, stream.Name, disk.Options{}); err != nil {
		return nil, fmt.Errorf("BRIDGE_DATA_DIR: %w", err)
	}
	to.Commit = to.committer.Commit
	return to, nil
}

// replay is what publishes the events of a job.
func (p *Place) replay(job string) *publish.Replay {
	return &publish.Replay{Conn: p.Conn, Stream: p.Stream.Name, Prefix: p.Prefix, Job: job}
}

// syncAll brings a removal to the disk: it rewrites blocks inside the stream.
func (p *Place) syncAll() error {
	if p.Dir == "" {
		return nil
	}
	return disk.SyncStream(p.Dir, p.Stream.Name)
}
