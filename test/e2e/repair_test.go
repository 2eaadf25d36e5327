package e2e

import (
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// A bridge that was killed, and whose channel died meanwhile, reads what changed from the CRM within seconds of its next start,
// although the CRM's clock is another.
func TestKilledBridgeRepairsAtOnce(t *testing.T) {
	t.Parallel()
	crm := &zohotest.CRM{ClientID: "1000.CLIENT", ClientSecret: "secret", RefreshToken: "1000.refresh"}
	crm.SetSkew(-11 * time.Minute)
	api := httptest.NewServer(crm)
	t.Cleanup(api.Close)
	dir, port := t.TempDir(), freePort(t)
	env := []string{
		"BRIDGE_LISTEN=127.0.0.1:" + port, "BRIDGE_PUBLIC_URL=http://127.0.0.1:" + port, "BRIDGE_ZOHO_EVENTS=Deals.all",
		"BRIDGE_ZOHO_CLIENT_ID=1000.CLIENT", "BRIDGE_ZOHO_CLIENT_SECRET=secret", "BRIDGE_ZOHO_REFRESH_TOKEN=1000.refresh",
		"BRIDGE_ZOHO_ACCOUNTS_URL=" + api.URL, "BRIDGE_ZOHO_API_URL=" + api.URL,
	}
	b := start(t, dir, env...)
	waitFor(t, func() bool { // the bridge has stored what it was granted
		_, metrics := get(t, b.Admin+"/metrics")
		return strings.Contains(metrics, "crm_bridge_channel_expiry_timestamp_seconds{")
	})
	_ = b.stop(t, syscall.SIGKILL)
	crm.Kill("")
	if _, err := crm.Create("Deals", map[string]any{"Deal_Name": "made meanwhile"}); err != nil {
		t.Fatal(err)
	}
	b = start(t, dir, env...)
	waitFor(t, func() bool { return len(ids(t, b.NATS)) == 1 })
}
