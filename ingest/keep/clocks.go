package keep

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Ahead is how far a CRM's clock is ahead of ours.
type Ahead struct {
	Provider, Account string
	Ahead             time.Duration
}

// maxClocks bounds the clocks that are remembered.
const maxClocks = 50

// clocks are the clocks of CRMs that a repair has asked for.
type clocks struct {
	mu sync.Mutex
	of []Ahead
}

func (c *clocks) note(provider, account string, clock *ingest.Clock) {
	ahead, ok := clock.Ahead()
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of = slices.DeleteFunc(c.of, func(one Ahead) bool { return one.Provider == provider && one.Account == account })
	c.of = append(c.of[max(0, len(c.of)-maxClocks+1):], Ahead{provider, account, ahead})
}

// sorted returns them by provider and account.
func (c *clocks) sorted() []Ahead {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(slices.Values(c.of), func(a, b Ahead) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Account, b.Account))
	})
}
