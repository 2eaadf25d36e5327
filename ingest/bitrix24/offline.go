package bitrix24

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Offline empties the queues that portals keep for the application (offline events). Set the fields once.
//
// Each batch is reserved (event.offline.get with clear=0), accepted, and only then cleared: an event is delivered at least once, with
// the same id each time. A portal deletes what has been reserved for 34 days. If its licence lacks reservation (the feature
// rest_offline_extended), reading deletes: an event is delivered at most once, and a warning says so.
type Offline struct {
	Client  *Client
	Portals []string // member_ids

	mu     sync.Mutex
	clean  map[string]bool      // portals in whose queue no earlier process can have reserved anything
	warned map[string]time.Time // when the warning was last logged
}

// warnAgain is how often the warning about a licence without reservation is logged.
const warnAgain = 24 * time.Hour

// Drain implements ingest.Drainer: it empties the queues of many portals at once, each for half a minute at most. A portal's failure is in the
// error; the other queues are emptied all the same.
func (o *Offline) Drain(ctx context.Context, state ingest.State, accept ingest.Accept, _ func(ingest.Gap) error) error {
	return o.Client.eachPortal(ctx, o.Portals, func(ctx context.Context, i int) error {
		member := o.Portals[i]
		o.mu.Lock()
		queue := &queue{client: o.Client, member: member, accept: accept, clean: o.clean[member], warn: func() { o.warn(member) }}
		o.mu.Unlock()
		err := queue.drain(ctx, state.Shared)
		o.mu.Lock()
		if o.clean == nil {
			o.clean = map[string]bool{}
		}
		o.clean[member] = err == nil
		o.mu.Unlock()
		if err != nil {
			return fmt.Errorf("queue of portal %s: %w", member, err)
		}
		return nil
	})
}

// warn logs, once a day, what a licence without reservation means.
func (o *Offline) warn(member string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.warned == nil {
		o.warned = map[string]time.Time{}
	}
	if last, ok := o.warned[member]; ok && time.Since(last) < warnAgain {
		return
	}
	o.warned[member] = time.Now()
	o.Client.log().Warn("the portal's licence cannot reserve offline events (rest_offline_extended), so reading them deletes them: "+
		"each is delivered at most once, and lost if the bridge or the connection fails while it is read", "portal", member)
}
