package zoho_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

var everyVersion = []zoho.Version{"v2", "v2.1", "v3", "v4", "v5", "v6", "v7", "v8"}

const tokenSecret = "the-secret-that-tokens-come-from"

func newCRM() *zohotest.CRM {
	return &zohotest.CRM{ClientID: "1000.CLIENT", ClientSecret: "planted-client-secret", RefreshToken: "1000.planted.refresh-token"}
}

func client(crm *zohotest.CRM, version zoho.Version, state ingest.State) *zoho.Client {
	return &zoho.Client{
		HTTP: &http.Client{Transport: ingesttest.Direct(crm)}, TokenURL: "https://accounts.example/oauth/v2/token", APIURL: "https://api.example", Version: version,
		ClientID: crm.ClientID, ClientSecret: crm.ClientSecret, RefreshToken: crm.RefreshToken, State: state,
	}
}

func channels(t testing.TB, crm *zohotest.CRM, version zoho.Version, state ingest.State, wanted string) *zoho.Channels {
	t.Helper()
	var events ingest.WantedEvents
	if err := events.Decode(wanted); err != nil {
		t.Fatal(err)
	}
	return &zoho.Channels{
		Client: client(crm, version, state), Account: "default", Secrets: ingest.SecretList{tokenSecret}, PublicURL: "https://crm.example", Events: events,
	}
}

// watched is what Watch returned, and the gaps that it had noted.
type watched struct {
	ingest.Watched
	Gaps []ingest.Gap
}

func watchOnce(ctx context.Context, c *zoho.Channels, state ingest.State) (w watched, err error) {
	w.Watched, err = c.Watch(ctx, state, func(gap ingest.Gap) error {
		w.Gaps = append(w.Gaps, gap)
		return nil
	})
	return w, err
}

func watch(t testing.TB, c *zoho.Channels, state ingest.State) watched {
	t.Helper()
	w, err := watchOnce(t.Context(), c, state)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// afterwards fails after a number of good calls.
type afterwards struct {
	*ingesttest.FailingMemory
	good int
}

func (a *afterwards) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	if a.good--; a.good < 0 {
		return nil, 0, ingesttest.ErrStore
	}
	return a.FailingMemory.Load(ctx, key)
}

func (a *afterwards) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if a.good--; a.good < 0 {
		return 0, ingesttest.ErrStore
	}
	return a.FailingMemory.Save(ctx, key, value, revision)
}

func copyState(t *testing.T, from, to ingest.Store, key string) {
	t.Helper()
	value, _, err := from.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Save(t.Context(), key, value, 0); err != nil {
		t.Fatal(err)
	}
}

func checkNoSecret(t *testing.T, crm *zohotest.CRM, text string) {
	t.Helper()
	secrets := append(crm.AccessTokens(), crm.ClientSecret, crm.RefreshToken, tokenSecret)
	for _, module := range []string{"Deals", "Contacts", "Ghosts"} {
		id := zoho.ChannelID(tokenSecret, "default", module)
		secrets = append(secrets, zoho.ChannelToken(tokenSecret, id), zoho.ChannelProof(tokenSecret, id))
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("shows a secret: %s", text)
		}
	}
}
