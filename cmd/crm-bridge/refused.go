package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// eachRefused calls f for every event that the remote NATS refused.
func (b *bridge) eachRefused(ctx context.Context, f func(publish.Kept) error) error {
	if b.refused == nil {
		return nil
	}
	return b.refused.Each(ctx, f)
}

func (b *bridge) listRefused(_ context.Context, _ *http.Request, kept publish.Kept) any {
	return listed{
		ID: kept.ID, Source: "refused", Subject: b.refused.Subject(kept), Reason: b.refused.Reason(kept),
		ReceivedAt: kept.At, Bytes: len(kept.Body),
	}
}

// showRefused shows the event in JSON, whatever mode it was to be sent in; or the callback, if that is what was refused.
func (b *bridge) showRefused(_ context.Context, _ *http.Request, kept publish.Kept) any {
	event, err := kept.Event()
	if err != nil && json.Valid(kept.Body) {
		return json.RawMessage(kept.Body)
	}
	if err != nil {
		return map[string]string{"error": terminal.Plainly(err)}
	}
	return event
}

// redriveRefused puts a refused event at the end of the journal, to be sent once more.
func (b *bridge) redriveRefused(ctx context.Context, r *http.Request, kept publish.Kept) any {
	b.settling.Lock()
	defer b.settling.Unlock()
	result := redriven{ID: kept.ID, DryRun: isDryRun(r)}
	if result.DryRun {
		result.Events = []ingest.Ack{{Subject: b.refused.Subject(kept)}}
		return result
	}
	if still, err := b.refused.Holds(ctx, kept); err != nil || !still {
		result.Error = settledMeanwhile(err)
		return result
	}
	ack, err := b.refused.Again(ctx, kept, b.forwarder.Journal)
	if err == nil {
		result.Events = []ingest.Ack{{ID: kept.ID, Subject: ack.Subject, Stream: ack.Stream, Sequence: ack.Sequence}}
		b.log.Info("redriven to the remote NATS", "id", kept.ID)
		if err = b.refused.Drop(ctx, kept); err != nil {
			err = fmt.Errorf("it is in the journal again, but it is still here: %w", err)
		}
	}
	if err != nil {
		result.Error = terminal.Plainly(err)
	}
	return result
}

func (b *bridge) dropRefused(ctx context.Context, kept publish.Kept) error {
	return b.refused.Drop(ctx, kept)
}
