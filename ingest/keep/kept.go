package keep

import (
	"context"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// Kept is what a CRM lets the bridge do by itself; nil where it does not.
type Kept struct {
	Label   string // its provider, such as "zoho"; names its state
	Watcher ingest.Watcher
	Lister  ingest.Lister
	Drainer ingest.Drainer
	Clock   func(ctx context.Context, account string) (*ingest.Clock, error) // of the CRM, once it has answered; nil: unknown
}

// channels are those of the last Watch, in the shared state.
func (k Kept) channels(shared ingest.Store) rest.Value[[]ingest.Channel] {
	return rest.Value[[]ingest.Channel]{Store: shared, Key: "channels." + k.Label}
}

// repairs are the gaps that are still to be repaired, in the shared state.
func (k Kept) repairs(shared ingest.Store) rest.Value[repairs] {
	return rest.Value[repairs]{Store: shared, Key: "repairs." + k.Label}
}
