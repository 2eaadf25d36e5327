package bitrix24

import (
	"context"
	"encoding/json"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// batch is what is remembered of a portal's queue, in State.Shared, before anything of it is accepted.
type batch struct {
	ProcessID string            `json:"process_id,omitempty"`
	Rows      []json.RawMessage `json:"rows,omitempty"` // where the portal keeps them no longer

	revision uint64
}

func (q *queue) stored() rest.Value[batch] {
	return rest.Value[batch]{Store: q.store, Key: "bitrix24.offline." + q.member}
}

// load reads what is remembered of the queue.
func (q *queue) load(ctx context.Context) (batch, error) {
	memory, revision, err := q.stored().Load(ctx)
	memory.revision = revision
	return memory, err
}

func (q *queue) save(ctx context.Context, memory *batch) (err error) {
	memory.revision, err = q.stored().Save(ctx, *memory, memory.revision)
	return err
}

func (q *queue) forget(ctx context.Context, memory *batch) error {
	memory.ProcessID, memory.Rows = "", nil
	return q.save(ctx, memory)
}
