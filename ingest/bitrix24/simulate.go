package bitrix24

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24/bitrix24test"
)

// simulatedPatience is how long the simulated portal waits for the answer to a callback.
const simulatedPatience = 10 * time.Second

// simulate returns a Bitrix24 in memory, with a portal in which the bridge's application is installed and whose events of deals are bound.
// Bindings do not expire, and the portal does not care what becomes of a callback.
func simulate(api string, _ time.Duration) *ingest.Simulation {
	const member, deal, event, wanted = "a223c6b3710f85df22e9377d6c4f7553", 2, "ONCRMDEAL", "Deal.all"
	crm := bitrix24test.New(api)
	crm.Callbacks = &http.Client{Timeout: simulatedPatience}
	portal := crm.Portal(member)
	ofDeals := func(name string) bool { return strings.HasPrefix(name, event) }
	var lastID, amount atomic.Int64
	put := func(id int) { portal.Put(deal, id, map[string]any{"title": "A deal", "opportunity": amount.Add(100)}) }
	return &ingest.Simulation{
		API: crm, Wanted: "BRIDGE_BITRIX24_EVENTS=" + wanted,
		Variables: map[string]string{
			"BRIDGE_BITRIX24_CLIENT_ID": crm.ClientID, "BRIDGE_BITRIX24_CLIENT_SECRET": crm.ClientSecret, "BRIDGE_BITRIX24_PORTALS": member,
			"BRIDGE_BITRIX24_OAUTH_URL": api, "BRIDGE_BITRIX24_EVENTS": wanted, "BRIDGE_BITRIX24_RECORDS": "Deal",
		},
		Begin: func(publicURL string) error {
			if status := portal.Install(publicURL + eventsPath); status != http.StatusOK {
				return fmt.Errorf("the installation of the application was answered with %d", status)
			}
			return nil
		},
		Create: func() (string, error) {
			id := int(lastID.Add(1))
			put(id)
			return strconv.Itoa(id), nil
		},
		Edit: func(text string) error {
			id, err := strconv.Atoi(text)
			if err == nil {
				put(id)
			}
			return err
		},
		Delete: func(text string) error {
			id, err := strconv.Atoi(text)
			if err == nil {
				portal.Delete(deal, id)
			}
			return err
		},
		Drop: func() { portal.ForgetHandlers(ofDeals) },
		Lose: portal.DropCallbacks,
		Alive: func() bool {
			bound := portal.Bound()
			return !slices.ContainsFunc([]string{"ADD", "UPDATE", "DELETE"}, func(word string) bool {
				return !slices.ContainsFunc(bound, func(one string) bool { return strings.HasPrefix(one, event+word+" ") })
			})
		},
	}
}
