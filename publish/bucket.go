package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrConflict says that a value of a Bucket has changed since it was loaded.
var ErrConflict = errors.New("changed by somebody else")

// Bucket keeps small values in a key-value bucket, each with its revision there. Everyone who may read the bucket can read them.
type Bucket struct {
	// Reach returns the connection to the server that has the bucket, or why there is none now.
	Reach func() (*Conn, error)
	Name  string
	// Replicas of the bucket, if it has to be made.
	Replicas int
	// MaxBytes returns the limit of the bucket, if it has to be made; nil: 64 MiB.
	MaxBytes func() int64
	Commit   Commit // of what is saved
}

// open returns the bucket, and makes it if it is missing.
func (s *Bucket) open(ctx context.Context) (jetstream.KeyValue, error) {
	conn, err := s.Reach()
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", s.Name, err)
	}
	bucket, err := conn.js.KeyValue(ctx, s.Name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		size := int64(64 << 20)
		if s.MaxBytes != nil {
			size = s.MaxBytes()
		}
		bucket, err = conn.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: s.Name, Description: "What crm-bridge remembers", History: 1, Replicas: s.Replicas, MaxBytes: size,
		})
		err = conn.explainRoom(ctx, StreamConfig{Name: "KV_" + s.Name, Replicas: s.Replicas}, size, err)
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", s.Name, err)
	}
	return bucket, nil
}

// Open makes the bucket if it is missing.
func (s *Bucket) Open(ctx context.Context) error {
	_, err := s.open(ctx)
	return err
}

// Load returns a value and its revision; nil and 0 if there is none.
func (s *Bucket) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	bucket, err := s.open(ctx)
	if err != nil {
		return nil, 0, err
	}
	entry, err := bucket.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("bucket %s, key %s: %w", s.Name, key, err)
	}
	return entry.Value(), entry.Revision(), nil
}

// Saved is a value of a Bucket.
type Saved struct {
	Value []byte
	At    time.Time // when it was saved, by the server's clock

	revision uint64
}

// List returns all values below prefix, which ends with a dot, by their keys, or an error. It does not make a bucket that is missing.
func (s *Bucket) List(ctx context.Context, prefix string) (map[string]Saved, error) {
	conn, err := s.Reach()
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", s.Name, err)
	}
	bucket, err := conn.js.KeyValue(ctx, s.Name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", s.Name, err)
	}
	keys, err := s.keys(ctx, conn, prefix)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", s.Name, err)
	}
	values := map[string]Saved{}
	for _, key := range keys {
		entry, err := bucket.Get(ctx, key)
		if errors.Is(err, jetstream.ErrKeyNotFound) { // removed since
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("bucket %s, key %s: %w", s.Name, key, err)
		}
		values[key] = Saved{entry.Value(), entry.Created(), entry.Revision()}
	}
	return values, nil
}

// keys returns the keys below prefix. It creates no consumer, so the permission for stream info suffices.
func (s *Bucket) keys(ctx context.Context, conn *Conn, prefix string) ([]string, error) {
	stream, err := conn.js.Stream(ctx, "KV_"+s.Name)
	if err != nil {
		return nil, err
	}
	below := "$KV." + s.Name + "."
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(below+prefix+">"))
	if err != nil {
		return nil, err
	}
	var keys []string
	for subject := range info.State.Subjects {
		keys = append(keys, strings.TrimPrefix(subject, below))
	}
	return keys, nil
}

// Save stores a value if its revision is still the given one (0: there is none), and returns the new one when it would
// survive a power cut. The error is ErrConflict if somebody else has changed it.
func (s *Bucket) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	bucket, err := s.open(ctx)
	if err != nil {
		return 0, err
	}
	var saved uint64
	if revision == 0 {
		saved, err = bucket.Create(ctx, key, value)
	} else {
		saved, err = bucket.Update(ctx, key, value, revision)
	}
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrKeyExists), errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return 0, fmt.Errorf("bucket %s, key %s: %w", s.Name, key, ErrConflict)
	case err != nil:
		return 0, fmt.Errorf("bucket %s, key %s: %w", s.Name, key, err)
	}
	return saved, s.Commit.after(ctx, nil)
}

// Prune removes the values below prefix, which ends with a dot, that were not saved since a time, and leaves no delete markers.
func (s *Bucket) Prune(ctx context.Context, prefix string, since time.Time) error {
	saved, err := s.List(ctx, prefix)
	maps.DeleteFunc(saved, func(_ string, one Saved) bool { return !one.At.Before(since) })
	if err != nil || len(saved) == 0 {
		return err
	}
	return s.purge(ctx, saved)
}

// Remove removes a value if its revision is still the given one, and leaves no delete marker.
func (s *Bucket) Remove(ctx context.Context, key string, revision uint64) error {
	return s.purge(ctx, map[string]Saved{key: {revision: revision}})
}

// purge removes values, and what was saved before them.
func (s *Bucket) purge(ctx context.Context, saved map[string]Saved) error {
	conn, err := s.Reach()
	if err != nil {
		return fmt.Errorf("bucket %s: %w", s.Name, err)
	}
	stream, err := conn.js.Stream(ctx, "KV_"+s.Name)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", s.Name, err)
	}
	for key, one := range saved {
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject("$KV."+s.Name+"."+key), jetstream.WithPurgeSequence(one.revision+1)); err != nil {
			return fmt.Errorf("bucket %s, key %s: %w", s.Name, key, err)
		}
	}
	return s.Commit.after(ctx, nil)
}
