package bitrix24

import (
	"context"
	"encoding/json"
	"fmt"
)

// batch is what is remembered of a portal's queue, in State.Shared, before anything of it is accepted.
type batch struct {
	ProcessID string            `json:"process_id,omitempty"`
	Rows      []json.RawMessage `json:"rows,omitempty"` // where the portal keeps them no longer

	revision uint64
}

// load reads what is remembered of the queue.
func (q *queue) load(ctx context.Context) (batch, error) {
	raw, revision, err := q.store.Load(ctx, q.key())
	if err != nil {
		return batch{}, err
	}
	var memory batch
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &memory); err != nil {
			return batch{}, fmt.Errorf("what is stored under %s cannot be understood: %w", q.key(), err)
		}
	}
	memory.revision = revision
	return memory, nil
}

func (q *queue) save(ctx context.Context, memory *batch) error {
	raw, err := json.Marshal(memory)
	if err != nil {
		return err
	}
	revision, err := q.store.Save(ctx, q.key(), raw, memory.revision)
	if err != nil {
		return fmt.Errorf("the batch cannot be remembered: %w", err)
	}
	memory.revision = revision
	return nil
}

func (q *queue) forget(ctx context.Context, memory *batch) error {
	memory.ProcessID, memory.Rows = "", nil
	return q.save(ctx, memory)
}
