package replay

import (
	"context"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

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
