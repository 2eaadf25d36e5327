package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish"
)

// State is what is kept beside the streams, on both sides.
type State struct {
	From, To   *publish.Bucket
	FromSealed []*publish.Sealed // of secrets, with each key that may fit; none: there is no key
	ToSealed   *publish.Sealed   // nil: there is no key
}

// StateResult is what became of the values of the source's bucket.
type StateResult struct {
	Bucket  string `json:"bucket"`
	Equal   int    `json:"equal"`             // values that are the same on both sides
	Own     int    `json:"own,omitempty"`     // values that the target has changed itself, or had before: they stay
	Secrets int    `json:"secrets,omitempty"` // secrets that were not copied, because one side has no key
	Lost    int    `json:"lost,omitempty"`    // secrets that were encrypted with another key
}

// ownKeys begin the keys of what only the bridges of one side need: claims, what journals hold, replay jobs and marks of dead letters,
// which name a stream of that side alone.
var ownKeys = []string{"claim.", "wake.", "journal.", "replay.", "dead.", notePrefix}

// sealed begins the keys of secrets.
const sealed = "sealed."

// state copies the values that the target lacks, or that a copy has written and nobody has changed since.
func (c *Copy) state(ctx context.Context, s State) (result StateResult, err error) {
	result.Bucket = s.To.Name
	values, err := s.From.List(ctx, "")
	if err != nil {
		return result, err
	}
	written := maps.Clone(c.Note.State)
	if written == nil {
		written = map[string]uint64{}
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if slices.ContainsFunc(ownKeys, func(own string) bool { return strings.HasPrefix(key, own) }) {
			continue
		}
		to := valueStore(s.To)
		value, name := values[key].Value, key
		if secret, is := strings.CutPrefix(key, sealed); is {
			if len(s.FromSealed) == 0 || s.ToSealed == nil {
				result.Secrets++
				continue
			}
			name, to = secret, s.ToSealed
			if value, err = s.open(ctx, secret); errors.Is(err, publish.ErrSealed) {
				result.Lost++
				continue
			} else if err != nil {
				return result, err
			}
		}
		if err := c.value(ctx, to, name, key, value, written, &result); err != nil {
			return result, err
		}
	}
	return result, c.Note.change(ctx, func() { c.Note.State = written })
}

// open decrypts a secret of the source.
func (s State) open(ctx context.Context, key string) (value []byte, err error) {
	for _, with := range s.FromSealed {
		if value, _, err = with.Load(ctx, key); err == nil || !errors.Is(err, publish.ErrSealed) {
			break
		}
	}
	return value, err
}

// valueStore keeps values: a Bucket, or a Sealed one.
type valueStore interface {
	Load(ctx context.Context, key string) ([]byte, uint64, error)
	Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
}

// value copies one value, and notes its revision under key.
func (c *Copy) value(ctx context.Context, to valueStore, name, key string, value []byte, written map[string]uint64, result *StateResult) error {
	have, revision, err := to.Load(ctx, name)
	switch {
	case err != nil && !errors.Is(err, publish.ErrSealed):
		return err
	case err == nil && revision > 0 && bytes.Equal(have, value):
		result.Equal++
		return nil
	case revision > 0 && written[key] != revision:
		result.Own++
		return nil
	}
	saved, err := to.Save(ctx, name, value, revision)
	if err != nil {
		return err
	}
	if have, _, err = to.Load(ctx, name); err != nil {
		return err
	}
	if !bytes.Equal(have, value) {
		return fmt.Errorf("%w: key %s of bucket %s", ErrDiffers, key, result.Bucket)
	}
	written[key] = saved
	result.Equal++
	return nil
}
