package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"

	"github.com/crm-bridge/crm-bridge/publish"
)

// errReread ends an attempt of a run that reads again what it has not delivered.
var errReread = errors.New("the run reads again")

// Reread has the run drop what it has read and not delivered, and read on from where it is: what the stream no longer holds is not
// delivered then. It returns when nothing of before is on its way; at once where the run reads nothing.
func (r *Run) Reread(ctx context.Context) error {
	was := r.reading.Load()
	if was == nil {
		return nil
	}
	(*was)(errReread)
	for r.reading.Load() == was {
		if err := retry.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// dropped returns what becomes of an attempt that ended with err because it was to drop what it had read: errReread, when nothing of that
// is on its way any more, unless the target has failed before.
func (r *Run) dropped(ctx context.Context, err error) error {
	if flushed := r.flush(ctx); flushed != nil && !errors.Is(flushed, errReread) {
		return flushed
	}
	if err == nil {
		return nil // all is done
	}
	return errReread
}

// watch ends the run when its job is taken from it: a run that waits for a post saves nothing, and would not see it. Only a bucket is
// shared with others.
func (r *Run) watch(ctx context.Context, name, own string, end context.CancelCauseFunc) {
	bucket, shared := r.Job.Store.(*publish.Bucket)
	for shared && retry.Sleep(ctx, savesEvery) == nil {
		if now, err := Load(ctx, bucket, name); err == nil && now != nil && now.Run != own {
			end(fmt.Errorf("%w: %w", ErrPermanent, takenBy(now)))
			return
		}
	}
}
