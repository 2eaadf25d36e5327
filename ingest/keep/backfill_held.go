package keep

import (
	"context"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// missing returns the changes whose events the stream does not hold, where that is known; with a dry run none, for they are
// counted alone.
func (f *filling) missing(ctx context.Context, part *part, changes []ingest.Change) (missing []ingest.Change, err error) {
	if !part.Again && f.behind == nil && !f.DryRun {
		return changes, nil
	}
	for _, change := range changes {
		ids, err := f.Stream.IDs(change)
		if err != nil {
			f.leaveOut(change, err)
			continue
		}
		held, err := f.heldOf(ctx, part, change, ids)
		switch {
		case err != nil:
			return nil, err
		case held && part.Again:
			f.done.Duplicates += len(ids)
		case held:
		case f.DryRun:
			f.done.Events += len(ids)
		default:
			missing = append(missing, change)
		}
	}
	return missing, nil
}

// heldOf reports whether the stream holds a change. A record that was made inside one span, and before another, is created in
// one and edited in the other: it is one event all the same.
func (f *filling) heldOf(ctx context.Context, part *part, change ingest.Change, ids []string) (bool, error) {
	if !part.Again {
		return f.behind.all(ids), nil
	}
	held := f.held[change.Module]
	if held == nil {
		var err error
		f.Comparing(change.Module)
		if held, err = f.Stream.HeldSince(ctx, change.Module, part.Since.Add(-heldBefore)); err != nil {
			return false, err
		}
		f.held[change.Module] = held
	}
	if held.all(ids) {
		return true, nil
	}
	switch change.Operation {
	case "create":
		change.Operation = "edit"
	case "edit":
		change.Operation = "create"
	default:
		return false, nil
	}
	others, err := f.Stream.IDs(change)
	return err == nil && held.all(others), nil
}

// heldBefore is how much earlier than a record was modified, by the CRM's clock, its event may have been stored, by ours.
const heldBefore = 48 * time.Hour

// all reports whether the stream held all events of a change: of a record, which is what a Lister lists, there is one.
func (h Held) all(ids []string) bool {
	for _, id := range ids {
		if h == nil || !h(id) {
			return false
		}
	}
	return true
}
