package bridge

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// refused are the events that the remote NATS rejected permanently.
type refused struct {
	*publish.Refused
	settler
}

// list implements waiting.
func (r *refused) list(kept publish.Kept) quarantine.Listed {
	return quarantine.Listed{
		ID: kept.ID, Source: quarantine.Refused, Account: accountIn(kept), Subject: r.Subject(kept), Reason: r.Reason(kept),
		ReceivedAt: kept.At, Bytes: len(kept.Body),
	}
}

// show shows the event in JSON, whatever mode it was to be sent in; or the callback, if that is what was rejected. It implements waiting.
func (r *refused) show(kept publish.Kept) any {
	event, err := kept.Event()
	if err != nil && json.Valid(kept.Body) {
		return json.RawMessage(kept.Body)
	}
	if err != nil {
		return map[string]string{"error": terminal.Plainly(err)}
	}
	return event
}

// drop implements waiting.
func (r *refused) drop(ctx context.Context, kept publish.Kept) quarantine.Dropped {
	return r.remove(ctx, kept, r.Drop)
}

// redrive puts a rejected event at the end of the journal, to be sent once more. It implements waiting.
func (r *refused) redrive(ctx context.Context, kept publish.Kept, dryRun bool) quarantine.Redriven {
	r.settling.Lock()
	defer r.settling.Unlock()
	result := quarantine.Redriven{ID: kept.ID, DryRun: dryRun}
	if result.DryRun {
		result.Events = []ingest.Ack{{Subject: r.Subject(kept)}}
		return result
	}
	if still, err := r.Holds(ctx, kept); err != nil || !still {
		result.Error = settledMeanwhile(err)
		return result
	}
	ack, err := r.Again(ctx, kept)
	if err == nil {
		result.Events = []ingest.Ack{{ID: kept.ID, Subject: ack.Subject, Stream: ack.Stream, Sequence: ack.Sequence}}
		r.log.Info("redriven to the remote NATS", "id", kept.ID)
		if err = r.Drop(ctx, kept); err != nil {
			err = fmt.Errorf("it is in the journal again, but it could not be removed from quarantine: %w", err)
		}
	}
	if err != nil {
		result.Error = terminal.Plainly(err)
	}
	return result
}
