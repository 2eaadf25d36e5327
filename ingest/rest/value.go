// Package rest has what the packages of CRMs share for calling an API: documents that replicas share, retries, access tokens,
// and errors without secrets. Nothing here names a CRM.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Value is a JSON document that the replicas share under a key of a store.
type Value[T any] struct {
	Store ingest.Store
	Key   string
	// Lenient has a stored document that cannot be decoded, as another version may have left it, count as absent. Otherwise
	// it is ErrUnreadable.
	Lenient bool
}

// ErrUnreadable says that a stored document cannot be decoded.
var ErrUnreadable = errors.New("the stored document is not of the expected form")

// maxConflicts bounds how often a change is repeated because somebody else was faster each time.
const maxConflicts = 10

// Load returns the document and its revision; the zero value and 0 where there is none.
func (v Value[T]) Load(ctx context.Context) (T, uint64, error) {
	value, _, revision, err := v.load(ctx)
	return value, revision, err
}

func (v Value[T]) load(ctx context.Context) (value T, raw []byte, revision uint64, err error) {
	if v.Store == nil {
		return value, nil, 0, fmt.Errorf("load %s: there is no store", v.Key)
	}
	raw, revision, err = v.Store.Load(ctx, v.Key)
	if err != nil {
		return value, nil, 0, fmt.Errorf("load %s: %w", v.Key, err)
	}
	if len(raw) == 0 {
		return value, nil, revision, nil
	}
	if json.Unmarshal(raw, &value) != nil {
		var none T
		if v.Lenient {
			return none, nil, revision, nil
		}
		return none, nil, revision, fmt.Errorf("load %s: %w", v.Key, ErrUnreadable)
	}
	return value, raw, revision, nil
}

// Save stores a document if its revision is still the given one, and returns the new one; the given one with an error, which is
// ingest.ErrConflict where somebody else was faster.
func (v Value[T]) Save(ctx context.Context, value T, revision uint64) (uint64, error) {
	raw, err := json.Marshal(value)
	saved := revision
	if err == nil {
		saved, err = v.Store.Save(ctx, v.Key, raw, revision)
	}
	if err != nil {
		return revision, fmt.Errorf("save %s: %w", v.Key, err)
	}
	return saved, nil
}

// Update loads the document, has it changed and saves it, unless nothing has changed. Where somebody else was faster it starts
// over, at most ten times. What change returns as an error is returned, and nothing is saved then.
func (v Value[T]) Update(ctx context.Context, change func(*T) error) (value T, err error) {
	for range maxConflicts {
		var before, after []byte
		var revision uint64
		if value, before, revision, err = v.load(ctx); err != nil {
			return value, err
		}
		if err = change(&value); err != nil {
			return value, err
		}
		if after, err = json.Marshal(value); err != nil {
			return value, fmt.Errorf("save %s: %w", v.Key, err)
		}
		if before != nil && bytes.Equal(before, after) {
			return value, nil
		}
		if _, err = v.Store.Save(ctx, v.Key, after, revision); !errors.Is(err, ingest.ErrConflict) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("save %s: %w", v.Key, err)
	}
	return value, err
}
