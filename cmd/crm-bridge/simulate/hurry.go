package simulate

import (
	"context"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// hurried opens a CRM whose subscriptions are looked at often, and whose gaps are repaired at once: a person watches.
func hurried(open bridge.Opener, every time.Duration) bridge.Opener {
	return func(setup ingest.Setup) (*ingest.CRM, error) {
		crm, err := open(setup)
		if err != nil {
			return nil, err
		}
		crm.Settle = time.Second
		if crm.Watcher != nil {
			crm.Watcher = &hurriedWatcher{Watcher: crm.Watcher, renew: crm.Changes["renew"], every: every}
		}
		return crm, nil
	}
}

// hurriedWatcher has subscriptions that never expire looked at as often as others are renewed. One Watch is called at a time.
type hurriedWatcher struct {
	ingest.Watcher
	renew func(context.Context, string) ([]ingest.Channel, error)
	every time.Duration

	lasting bool // a subscription is alive that never expires
	looked  time.Time
}

// Watch implements ingest.Watcher.
func (h *hurriedWatcher) Watch(ctx context.Context, state ingest.State, note func(ingest.Gap) error) (ingest.Watched, error) {
	if now := time.Now(); h.lasting && h.renew != nil && now.Sub(h.looked) >= h.every {
		h.looked = now
		if _, err := h.renew(ctx, ""); err != nil {
			return ingest.Watched{}, err
		}
	}
	watched, err := h.Watcher.Watch(ctx, state, note)
	h.lasting = slices.ContainsFunc(watched.Channels, func(one ingest.Channel) bool { return one.State == "active" && one.Expires.IsZero() })
	if soon := time.Now().Add(h.every); watched.Next.After(soon) {
		watched.Next = soon
	}
	return watched, err
}
