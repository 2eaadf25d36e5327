package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/store"
	"github.com/crm-bridge/crm-bridge/transform"
)

// callbacks are the authenticated callbacks in quarantine.
type callbacks struct {
	*publish.Quarantine
	store   *store.EventStore
	crms    CRMs
	mapping *transform.Mapping
	accept  ingest.Accept
	settler
}

// keep puts an authenticated callback that cannot be parsed into quarantine; it implements ingest.Quarantine.
func (q *callbacks) keep(ctx context.Context, cb ingest.Callback, reason error) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	if crm, source := q.crms.Source(cb.Source, cb.Org); crm != nil {
		cb.Account = crm.AccountOf(source, cb)
	}
	body, err := q.mapping.Quarantine(id.String(), cb, reason)
	if err != nil {
		return "", err
	}
	return id.String(), q.store.Keep(ctx, cb.Source, id.String(), body)
}

// list implements waiting.
func (q *callbacks) list(kept publish.Kept) quarantine.Listed {
	var was transform.Quarantined
	if err := json.Unmarshal(kept.Body, &was); err != nil {
		return quarantine.Listed{ID: kept.ID, Reason: "cannot be read: " + terminal.Plainly(err), ReceivedAt: kept.At}
	}
	return quarantine.Listed{
		ID: kept.ID, Source: was.Source, Account: was.Account, Reason: was.Reason, ReceivedAt: was.ReceivedAt, Bytes: len(was.Body) + len(was.BodyBase64),
	}
}

// show implements waiting.
func (q *callbacks) show(kept publish.Kept) any { return json.RawMessage(kept.Body) }

// drop implements waiting.
func (q *callbacks) drop(ctx context.Context, kept publish.Kept) quarantine.Dropped {
	return q.remove(ctx, kept, q.Drop)
}

// redrive decodes a quarantined callback with today's code and publishes it as if it had just arrived, its original
// arrival time kept. It leaves quarantine only when its events are safe. It implements waiting.
func (q *callbacks) redrive(ctx context.Context, kept publish.Kept, dryRun bool) quarantine.Redriven {
	q.settling.Lock()
	defer q.settling.Unlock()
	result := quarantine.Redriven{ID: kept.ID, DryRun: dryRun}
	if still, err := q.Holds(ctx, kept); err != nil || !still {
		result.Error = settledMeanwhile(err)
		return result
	}
	acks, err := q.redecode(ctx, kept, dryRun)
	if err == nil && !dryRun {
		q.log.Info("redriven from quarantine", "quarantine", kept.ID, "events", len(acks))
		if err = q.Drop(ctx, kept); err != nil {
			err = fmt.Errorf("its events are published, but it could not be removed from quarantine: %w", err)
		}
	}
	if result.Events = acks; err != nil {
		result.Error = terminal.Plainly(err)
	}
	return result
}

func (q *callbacks) redecode(ctx context.Context, kept publish.Kept, dryRun bool) ([]ingest.Ack, error) {
	var was transform.Quarantined
	if err := json.Unmarshal(kept.Body, &was); err != nil {
		return nil, err
	}
	crm, source := q.crms.Source(was.Source, was.Org)
	switch {
	case crm == nil && was.Org != "":
		return nil, fmt.Errorf("this bridge has no source %s of the org %s: name the org in BRIDGE_<CRM>_ACCOUNTS again", was.Source, was.Org)
	case crm == nil:
		return nil, fmt.Errorf("this bridge has no source %s", was.Source)
	}
	changes, err := source.Decode(was.Callback())
	if err != nil {
		return nil, crm.Explain(err)
	}
	for i := range changes {
		changes[i].TraceParent, changes[i].Org = was.TraceParent, was.Org
		if changes[i].GivenID = kept.ID; i > 0 {
			changes[i].GivenID += ":" + strconv.Itoa(i)
		}
	}
	if !dryRun {
		return q.accept(ctx, changes)
	}
	events, err := Pipeline{q.mapping, q.store}.events(changes...)
	var would []ingest.Ack
	for _, e := range events {
		would = append(would, ingest.Ack{Subject: q.store.Subject(e)})
	}
	return would, err
}
