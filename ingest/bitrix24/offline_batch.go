package bitrix24

import (
	"context"
	"encoding/json"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// batch is the batch of a portal's queue that is being accepted, in State.Shared.
type batch struct {
	ProcessID string            `json:"process_id,omitempty"`
	Rows      []json.RawMessage `json:"rows,omitempty"` // if the portal no longer has them

	stored   rest.Value[batch]
	revision uint64
}

func loadBatch(ctx context.Context, store ingest.Store, member string) (batch, error) {
	stored := rest.Value[batch]{Store: store, Key: "bitrix24.offline." + member}
	b, revision, err := stored.Load(ctx)
	b.stored, b.revision = stored, revision
	return b, err
}

func (b *batch) save(ctx context.Context) (err error) {
	b.revision, err = b.stored.Save(ctx, *b, b.revision)
	return err
}

func (b *batch) forget(ctx context.Context) error {
	b.ProcessID, b.Rows = "", nil
	return b.save(ctx)
}
