package hubspot_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
)

// With nothing configured the bridge makes a secret, which signs samples; what is configured takes its place, and has repeats recognised for
// as long as a signature is valid.
func TestOpen(t *testing.T) {
	crm, err := hubspot.Open(setup(nil))
	if err != nil || crm.Keeps() || crm.RepeatsWithin != 0 || !slices.Equal(crm.Sources[0].Secrets().Values, []string{"made for hubspot-client-secret"}) {
		t.Errorf("%+v, %v", crm, err)
	}
	crm = open(t)
	if values := crm.Sources[0].Secrets().Values; crm.RepeatsWithin != 10*time.Minute || !slices.Equal(values, []string{accessToken, secret, "the-old-secret-0002"}) {
		t.Errorf("secrets %q, repeats within %s", values, crm.RepeatsWithin)
	}
}

// A configuration that cannot work is an error that names the variable, and quotes no secret.
func TestConfig(t *testing.T) {
	type config = hubspot.Config
	for name, test := range map[string]struct {
		set  func(*config)
		says string
	}{
		"a journal alone":   {func(c *config) { c.Hubspot.Journal = hubspot.Wanted{{Module: "deal"}} }, "BRIDGE_HUBSPOT_CLIENT_ID and BRIDGE_HUBSPOT_CLIENT_SECRET and BRIDGE_HUBSPOT_PORTALS must be set"},
		"a portal's domain": {func(c *config) { c.Hubspot.Portals = ingest.AccountIDs{"1", "acme-com"} }, "BRIDGE_HUBSPOT_PORTALS entry 2 is not the id of a portal"},
		"a token of a stranger": {func(c *config) {
			c.Hubspot.AccessToken, c.Hubspot.Portals = hubspot.AccessTokens{"2": accessToken}, ingest.AccountIDs{"1"}
		}, "of portal 2, which BRIDGE_HUBSPOT_PORTALS does not name"},
		"a token of several portals": {func(c *config) {
			c.Hubspot.AccessToken, c.Hubspot.Portals = hubspot.AccessTokens{"": accessToken}, ingest.AccountIDs{"1", "2"}
		}, "must name the portal of its token"},
	} {
		s := setup(test.set)
		s.State = ingesttest.State()
		if _, err := hubspot.Open(s); err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), accessToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for value, want := range map[string]string{
		accessToken: "", "1:" + accessToken: "", "1:" + accessToken + ", 2:" + accessToken: "",
		"": "entry 1", "1:" + accessToken + ",": "entry 2", "acme:" + accessToken: "entry 1", accessToken + "," + accessToken: "entry 2", "1:a,1:b": "entry 2", accessToken + ",1:a": "name the portal of each",
	} {
		var tokens hubspot.AccessTokens
		if err := tokens.Decode(value); (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), accessToken)) {
			t.Errorf("%q: %v", value, err)
		}
	}
	for value, want := range map[string]string{
		"contact, deal:amount+dealstage ,2-3508482": "", "0-136": "",
		"conversation": "entry 1", "2-../x": "entry 1", "contact,Deals": "entry 2", "deal:Deal Stage": "entry 1", "deal,0-3": "entry 2", "": "entry 1",
	} {
		var wanted hubspot.Wanted
		if err := wanted.Decode(value); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", value, err)
		}
	}
	if got := (hubspot.Wanted{{Module: "deal"}}).Subjects(); !slices.Equal(got, []string{"deal.create", "deal.delete", "deal.edit", "deal.merge", "deal.restore"}) {
		t.Error(got)
	}
}

// The variables that crm-bridge channels asks for are all that the journal needs.
func TestWordsNameWhatTheJournalNeeds(t *testing.T) {
	crm, err := hubspot.Open(setup(nil))
	if err != nil {
		t.Fatal(err)
	}
	s := setup(func(c *hubspot.Config) { c.Hubspot.Journal = hubspot.Wanted{{Module: "deal"}} })
	s.State = ingesttest.State()
	_, err = hubspot.Open(s)
	for _, variable := range crm.Words.Subscribing() {
		if err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s is asked for, but not missed: %v", variable, err)
		}
	}
	if got := len(crm.Words.Subscribing()); got != 4 {
		t.Errorf("%d variables are asked for", got)
	}
}

// A change of subscriptions can be limited to any portal of the journal, whichever of them has an access token.
func TestPortalsOfTheJournalAreTargets(t *testing.T) {
	s := setup(func(c *hubspot.Config) {
		c.Hubspot.ClientID, c.Hubspot.ClientSecret, c.Hubspot.Journal = "app-id", ingest.SecretList{secret}, hubspot.Wanted{{Module: "deal"}}
		c.Hubspot.Portals, c.Hubspot.AccessToken = ingest.AccountIDs{"1", "2"}, hubspot.AccessTokens{"1": accessToken}
	})
	s.State = ingesttest.State()
	if crm, err := hubspot.Open(s); err != nil || !slices.Equal(crm.Targets, []string{"1", "2"}) || !slices.Equal(crm.Accounts, []string{"1"}) {
		t.Errorf("%+v, %v", crm, err)
	}
}
