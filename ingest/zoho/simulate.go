package zoho

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// simulatedPatience is how long the simulated CRM waits for the answer to a callback.
const simulatedPatience = 10 * time.Second

// simulate returns a Zoho CRM in memory, with a channel of deals.
func simulate(api string, life time.Duration) *ingest.Simulation {
	callbacks := &http.Transport{ResponseHeaderTimeout: simulatedPatience}
	crm := &zohotest.CRM{ClientID: "demo", ClientSecret: "demo-secret", RefreshToken: "demo-refresh-token", Callbacks: callbacks, Grants: life}
	const module, wanted = "Deals", "Deals.all"
	var amount atomic.Int64
	return &ingest.Simulation{
		API: crm, Wanted: "BRIDGE_ZOHO_EVENTS=" + wanted,
		Variables: map[string]string{
			"BRIDGE_ZOHO_CLIENT_ID": crm.ClientID, "BRIDGE_ZOHO_CLIENT_SECRET": crm.ClientSecret, "BRIDGE_ZOHO_REFRESH_TOKEN": crm.RefreshToken,
			"BRIDGE_ZOHO_ACCOUNTS_URL": api, "BRIDGE_ZOHO_API_URL": api, "BRIDGE_ZOHO_EVENTS": wanted, "BRIDGE_ZOHO_RECORDS": module,
		},
		Create: func() (string, error) {
			return crm.Create(module, map[string]any{"Deal_Name": "A deal", "Amount": amount.Add(100)})
		},
		Edit:   func(id string) error { return crm.Update(module, id, map[string]any{"Amount": amount.Add(100)}) },
		Delete: func(id string) error { return crm.Delete(module, id) },
		Drop:   func() { crm.Kill("") },
		Lose:   crm.DropCallbacks,
		Alive:  func() bool { return len(crm.Live()) > 0 },
	}
}
