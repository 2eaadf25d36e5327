package transfer

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
	"github.com/crm-bridge/crm-bridge/publish"
)

// noteKey is where the target's bucket says what was copied.
const noteKey = notePrefix + "note"

const notePrefix = "copy."

const (
	// renewEvery is how often a run says that it is at work; one that has not done so for claimFor has ended.
	renewEvery = 250 * time.Millisecond
	claimFor   = 1500 * time.Millisecond
)

// ErrRunning says that another copy writes to the target.
var ErrRunning = errors.New("another crm-bridge copy writes to this target: let it end, or stop it")

// Note is what the target's bucket says of what was copied to it, and by which run.
type Note struct {
	Sources map[string]time.Time `json:"sources"` // when the streams were made that it was copied from
	State   map[string]uint64    `json:"state"`   // revisions of the values that a copy has written
	Ended   map[string]uint64    `json:"ended"`   // the last sequences of a source that had ended, and of which all was copied
	Run     string               `json:"run"`     // that is at work; empty: none

	bucket   *publish.Bucket
	mu       sync.Mutex // of what follows, and of what is saved
	revision uint64
}

// ReadNote reads the note of a target.
func ReadNote(ctx context.Context, bucket *publish.Bucket) (*Note, error) {
	saved, err := bucket.List(ctx, notePrefix) // it does not make the bucket
	if err != nil {
		return nil, err
	}
	n := &Note{bucket: bucket}
	if _, held := saved[noteKey]; held {
		err = n.load(ctx)
	}
	return n, err
}

// load reads what is saved now.
func (n *Note) load(ctx context.Context) error {
	value, revision, err := n.bucket.Load(ctx, noteKey)
	if err != nil {
		return err
	}
	if value != nil {
		if err := json.Unmarshal(value, n); err != nil {
			return fmt.Errorf("bucket %s, key %s: %w", n.bucket.Name, noteKey, err)
		}
	}
	n.revision = revision
	return nil
}

// Claim makes this run the only one, after one that was killed has been silent for a moment. While it holds the claim, lost is called if
// another run takes it. Release gives it back.
func (n *Note) Claim(ctx context.Context, lost func(error)) (release func(), err error) {
	if n.Run != "" { // at work, or killed
		was := n.revision
		if err := retry.Sleep(ctx, claimFor); err != nil {
			return nil, err
		}
		if err := n.load(ctx); err != nil {
			return nil, err
		}
		if n.revision != was && n.Run != "" {
			return nil, ErrRunning
		}
	}
	n.Run = rand.Text()
	if err := n.Save(ctx); errors.Is(err, publish.ErrConflict) {
		return nil, ErrRunning
	} else if err != nil {
		return nil, err
	}
	ending, end := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for retry.Sleep(ending, renewEvery) == nil {
			if err := n.Save(ending); errors.Is(err, ErrRunning) {
				lost(err)
				return
			}
		}
	})
	return func() {
		end()
		renewing.Wait()
		n.Run = ""
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimFor)
		defer cancel()
		_ = n.Save(last) // otherwise the next run waits for a moment
	}, nil
}

// Save saves the note, if no other run has taken the claim.
func (n *Note) Save(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	value, err := json.Marshal(n)
	if err != nil {
		return err
	}
	revision, err := n.bucket.Save(ctx, noteKey, value, n.revision)
	if errors.Is(err, publish.ErrConflict) {
		err = n.again(ctx, value)
	} else if err == nil {
		n.revision = revision
	}
	return err
}

// again saves the note after a conflict with what is perhaps its own earlier value, whose acknowledgement was lost.
func (n *Note) again(ctx context.Context, value []byte) error {
	saved, revision, err := n.bucket.Load(ctx, noteKey)
	if err != nil {
		return err
	}
	var now Note
	if json.Unmarshal(saved, &now) != nil || now.Run != n.Run {
		return ErrRunning
	}
	if n.revision, err = n.bucket.Save(ctx, noteKey, value, revision); errors.Is(err, publish.ErrConflict) {
		return ErrRunning
	}
	return err
}

// change changes the note, and saves it.
func (n *Note) change(ctx context.Context, change func()) error {
	n.mu.Lock()
	change()
	n.mu.Unlock()
	return n.Save(ctx)
}
