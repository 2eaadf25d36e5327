package pipedrive_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive"
)

// Events are all, or those of Pipedrive's modules.
func TestEvents(t *testing.T) {
	for text, says := range map[string]string{
		"all": "", "deal.all, person.delete": "", "deal_product.create,ALL": "",
		"deals.all": "unknown module; Pipedrive's are deal, person", "deal": "entry 1 is not of the form", "deal.planted": "must be create, edit, delete or all", " ": "names no event",
	} {
		var events pipedrive.Events
		err := events.Decode(text)
		if (says == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "planted")) {
			t.Errorf("%q: %v", text, err)
		}
	}
	var user pipedrive.UserName
	if user.Decode("crm-bridge") != nil || user.Decode("a:b") == nil || user.Decode("") == nil {
		t.Error("a user name is checked wrongly")
	}
}

// What is configured decides what the bridge does; what is missing is said by name.
func TestOpen(t *testing.T) {
	for name, test := range map[string]struct {
		url           string
		set           func(*pipedrive.Config)
		says          string
		lists, watchs bool
		account       string
	}{
		"nothing":           {"", func(*pipedrive.Config) {}, "", false, false, ""},
		"a password":        {"", func(c *pipedrive.Config) { c.Pipedrive.Password = ingest.SecretList{password} }, "", false, false, ""},
		"a token":           {"", func(c *pipedrive.Config) { c.Pipedrive.API.Token = apiToken }, "", true, false, "default"},
		"events":            {"https://crm.example", func(c *pipedrive.Config) { everything(c) }, "", true, true, "default"},
		"one company":       {"https://crm.example", func(c *pipedrive.Config) { everything(c).Pipedrive.Companies = ingest.AccountIDs{"7"} }, "", true, true, "7"},
		"without a token":   {"https://crm.example", func(c *pipedrive.Config) { everything(c).Pipedrive.API.Token = "" }, "BRIDGE_PIPEDRIVE_API_TOKEN must be set", false, false, ""},
		"without a URL":     {"", func(c *pipedrive.Config) { everything(c) }, "BRIDGE_PUBLIC_URL must be set", false, false, ""},
		"without passwords": {"https://crm.example", func(c *pipedrive.Config) { everything(c).Pipedrive.Password = nil }, "BRIDGE_PIPEDRIVE_PASSWORD must be set", false, false, ""},
		"too many webhooks": {"https://crm.example", func(c *pipedrive.Config) { everything(c).Pipedrive.Events = many() }, "needs 48 webhooks, and a user may have 40", false, false, ""},
	} {
		crm, err := pipedrive.Open(configured(t, ingesttest.State(), test.url, test.set))
		if test.says != "" {
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), password) || strings.Contains(err.Error(), apiToken) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if (crm.Lister != nil) != test.lists || (crm.Watcher != nil) != test.watchs || test.lists && crm.Accounts[0] != test.account || (len(crm.Subjects) > 0) != test.watchs {
			t.Errorf("%s: %+v", name, crm)
		}
	}
}

// The API's URL may be as Pipedrive's documents write it, with a version.
func TestURLWithVersion(t *testing.T) {
	api := httptest.NewServer(company())
	defer api.Close()
	for _, path := range []string{"", "/v1", "/api/v1", "/api/v2"} {
		crm, err := pipedrive.Open(configured(t, ingesttest.State(), "", func(c *pipedrive.Config) {
			c.Pipedrive.API.Token, c.Pipedrive.API.URL = apiToken, ingest.BaseURL(api.URL+path)
		}))
		if err == nil {
			err = crm.Reach(t.Context())
		}
		if err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// everything configures all that the API needs.
func everything(c *pipedrive.Config) *pipedrive.Config {
	c.Pipedrive.Password, c.Pipedrive.API.Token = ingest.SecretList{password}, apiToken
	c.Pipedrive.Events = pipedrive.Events{{Module: "deal", Operations: []string{"create", "edit"}}}
	return c
}

// many are more events than a user of Pipedrive may have webhooks.
func many() (events pipedrive.Events) {
	for range 24 {
		events = append(events, ingest.ModuleEvents{Module: "deal", Operations: []string{"create", "edit"}})
	}
	return events
}
