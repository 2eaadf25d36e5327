package keep

import (
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// channelsOf are a CRM's channels as the last Watch found them, in the shared state.
func channelsOf(shared ingest.Store, crm *ingest.CRM) rest.Value[[]ingest.Channel] {
	return rest.Value[[]ingest.Channel]{Store: shared, Key: "channels." + crm.Key()}
}

// repairsOf are a CRM's gaps that are still to be repaired, in the shared state.
func repairsOf(shared ingest.Store, crm *ingest.CRM) rest.Value[repairs] {
	return rest.Value[repairs]{Store: shared, Key: "repairs." + crm.Key()}
}
