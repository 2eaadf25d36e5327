package pipedrive

import (
	"context"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// delivery is what is remembered of a subscription. Times are by Pipedrive's clock.
type delivery struct {
	Webhook  string    `json:"webhook,omitempty"`  // id of the webhook that delivers it
	Seen     time.Time `json:"seen,omitzero"`      // until when changes are delivered, or in a gap that is remembered; zero: it never was
	Lost     bool      `json:"lost,omitempty"`     // no webhook was alive at some time since Seen
	Failing  bool      `json:"failing,omitempty"`  // deliveries failed since Seen
	Failed   time.Time `json:"failed,omitzero"`    // the last failed delivery that was seen
	Disabled bool      `json:"disabled,omitempty"` // by a person
	Renew    bool      `json:"renew,omitempty"`    // a new webhook was requested
	Dropped  time.Time `json:"dropped,omitzero"`   // since when no events of it are configured
}

// dropLasting is how long a subscription must have been dropped for the time until its return not to be a gap. While replicas are
// replaced by others with other events, an old one may drop what a new one has just made.
const dropLasting = time.Hour

// deliveries are what is remembered of all subscriptions.
type deliveries struct {
	Of   map[string]*delivery `json:"of"`             // by subscription
	Ours []string             `json:"ours,omitempty"` // ids of webhooks that the bridge made and has not deleted
	Gaps ingest.Gaps          `json:"gaps,omitempty"` // not noted yet

	stored   rest.Value[deliveries]
	revision uint64
}

func loadDeliveries(ctx context.Context, store ingest.Store) (*deliveries, error) {
	stored := rest.Value[deliveries]{Store: store, Key: "pipedrive.webhooks", Lenient: true} // what is alive is found again
	d, revision, err := stored.Load(ctx)
	if err != nil {
		return nil, err
	}
	if d.stored, d.revision = stored, revision; d.Of == nil {
		d.Of = map[string]*delivery{}
	}
	return &d, nil
}

func (d *deliveries) save(ctx context.Context) (err error) {
	d.revision, err = d.stored.Save(ctx, *d, d.revision)
	return err
}

// of returns what is remembered of a subscription.
func (d *deliveries) of(s subscription) *delivery {
	if d.Of[s.String()] == nil {
		d.Of[s.String()] = &delivery{}
	}
	return d.Of[s.String()]
}

// observe records how the webhooks of a subscription are, which were listed at a time, and reports since when changes may not have been
// delivered; zero: nothing new was missed.
func (d *delivery) observe(rows []listedWebhook, listed time.Time) (missed time.Time) {
	var alive, dead listedWebhook
	for _, row := range rows {
		switch {
		case row.Removed && row.ID != d.Webhook: // by somebody, at some time
		case !row.Alive && row.Delivered.After(dead.Delivered):
			dead = row
		case row.Alive && (alive.ID == "" || alive.failing()):
			alive = row
		}
	}
	switch {
	case alive.ID == "":
		d.Lost = d.Lost || d.Webhook != "" || !dead.Delivered.IsZero()
		d.Seen = earliest(d.Seen, dead.Delivered)
		return time.Time{} // until a new one is made
	case !alive.failing():
		if d.Lost || d.Failing {
			missed = d.Seen
		}
		*d = delivery{Webhook: alive.ID, Seen: listed, Renew: d.Renew}
	case !d.Failing || !alive.Delivered.Equal(d.Failed) || d.Failed.IsZero():
		missed = earliest(d.Seen, alive.Delivered)
		*d = delivery{Webhook: alive.ID, Seen: listed, Failing: true, Failed: alive.Delivered, Renew: d.Renew}
	}
	return missed
}

// earliest returns the earlier of two times that are not zero.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
