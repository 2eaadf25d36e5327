package keep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// claim is the right to act for all replicas. Its holder renews it; a replica that sees it unchanged for claimLife takes it over.
// Only the revision counts, never another machine's clock.
type claim struct {
	store ingest.Store
	key   string
	owner string

	revision uint64    // as last seen
	changed  time.Time // when it was first seen so
	mine     bool
}

// claimLife is how long a claim lives without being renewed.
const claimLife = 30 * time.Second

// hold reports whether the claim is ours until claimLife from now, and renews it if so. With an error it is not.
func (c *claim) hold(ctx context.Context) (bool, error) {
	now := time.Now()
	value, revision, err := c.store.Load(ctx, c.key)
	if err != nil {
		c.mine = false
		return false, fmt.Errorf("read the claim %s: %w", c.key, err)
	}
	c.mine = c.mine && revision == c.revision
	if revision != c.revision || c.changed.IsZero() {
		c.revision, c.changed = revision, now
	}
	free := revision == 0 || string(value) == "" || string(value) == c.owner
	if !c.mine && !free && now.Sub(c.changed) < claimLife {
		return false, nil
	}
	saved, err := c.store.Save(ctx, c.key, []byte(c.owner), revision)
	if errors.Is(err, ingest.ErrConflict) {
		return false, nil
	}
	if err != nil {
		c.mine = false
		return false, fmt.Errorf("renew the claim %s: %w", c.key, err)
	}
	c.revision, c.changed, c.mine = saved, now, true
	return true, nil
}

// release lets another replica act at once.
func (c *claim) release(ctx context.Context) error {
	if !c.mine {
		return nil
	}
	c.mine = false
	_, err := c.store.Save(ctx, c.key, nil, c.revision)
	if errors.Is(err, ingest.ErrConflict) {
		return nil
	}
	return err
}
