package zoho

import (
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// simulate returns a Zoho CRM in memory, with a channel of deals.
func simulate(life time.Duration) *ingest.Simulation {
	crm := &zohotest.CRM{ClientID: "demo", ClientSecret: "demo-secret", RefreshToken: "demo-refresh-token", Callbacks: http.DefaultTransport, Grants: life}
	const wanted = "Deals.all"
	return &ingest.Simulation{
		API: crm, Wanted: "BRIDGE_ZOHO_EVENTS=" + wanted,
		Variables: func(api string) map[string]string {
			return map[string]string{
				"BRIDGE_ZOHO_CLIENT_ID": crm.ClientID, "BRIDGE_ZOHO_CLIENT_SECRET": crm.ClientSecret, "BRIDGE_ZOHO_REFRESH_TOKEN": crm.RefreshToken,
				"BRIDGE_ZOHO_ACCOUNTS_URL": api, "BRIDGE_ZOHO_API_URL": api, "BRIDGE_ZOHO_EVENTS": wanted,
			}
		},
		Work: func() (int, error) {
			id, err := crm.Create("Deals", map[string]any{"Deal_Name": "A deal", "Amount": 100})
			if err == nil {
				err = crm.Update("Deals", id, map[string]any{"Amount": 200})
			}
			return 2, err
		},
		Miss: func() error {
			crm.Kill("")
			_, err := crm.Create("Deals", map[string]any{"Deal_Name": "No callback reported this", "Amount": 300})
			return err
		},
		Alive: func() int { return len(crm.Live()) },
	}
}
