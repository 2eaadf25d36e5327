package zoho_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kelseyhightower/envconfig"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
)

func open(t *testing.T, publicURL, made string, env map[string]string) (*zoho.Channels, error) {
	t.Helper()
	crm, err := openCRM(t, publicURL, made, env)
	if err != nil || crm.Lister == nil {
		return nil, err
	}
	return crm.Lister.(*zoho.Channels), nil
}

func openCRM(t *testing.T, publicURL, made string, env map[string]string) (*ingest.CRM, error) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "BRIDGE_") {
			t.Setenv(name, value)
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, value := range env {
		if value != "" {
			t.Setenv("BRIDGE_ZOHO_"+name, value)
		}
	}
	return zoho.Open(ingest.Setup{
		Env:        func(into any) error { return envconfig.Process("BRIDGE", into) },
		MadeSecret: func(string) (string, error) { return made, nil },
		PublicURLs: []string{publicURL}, State: ingesttest.State(),
	})
}

func oauth(more map[string]string) map[string]string {
	env := map[string]string{"CLIENT_ID": "1000.CLIENT", "CLIENT_SECRET": "planted-secret", "REFRESH_TOKEN": "planted-token", "EVENTS": "Deals.all"}
	for name, value := range more {
		env[name] = value
	}
	return env
}

// Every data centre has its hosts, Vertical Solutions has its own, and the secret is the one that callbacks are proven with.
func TestOpen(t *testing.T) {
	for _, test := range []struct {
		env                  map[string]string
		token, api, tokenKey string
	}{
		{nil, "https://accounts.zoho.com/oauth/v2/token", "https://www.zohoapis.com", "made"},
		{map[string]string{"DC": "eu"}, "https://accounts.zoho.eu/oauth/v2/token", "https://www.zohoapis.eu", "made"},
		{map[string]string{"DC": "IN"}, "https://accounts.zoho.in/oauth/v2/token", "https://www.zohoapis.in", "made"},
		{map[string]string{"DC": "cn"}, "https://accounts.zoho.com.cn/oauth/v2/token", "https://www.zohoapis.com.cn", "made"},
		{map[string]string{"DC": "au"}, "https://accounts.zoho.com.au/oauth/v2/token", "https://www.zohoapis.com.au", "made"},
		{map[string]string{"DC": "jp"}, "https://accounts.zoho.jp/oauth/v2/token", "https://www.zohoapis.jp", "made"},
		{map[string]string{"DC": "sa"}, "https://accounts.zoho.sa/oauth/v2/token", "https://www.zohoapis.sa", "made"},
		{map[string]string{"DC": "ca"}, "https://accounts.zohocloud.ca/oauth/v2/token", "https://www.zohoapis.ca", "made"},
		{map[string]string{
			"TOKEN_URL": "https://zylkercorp.zohoplatform.com/clientoauth/v2/portal/token", "API_URL": "https://zylkercorp.zohoplatform.com/", "TOKEN_SECRET": "own,older",
		}, "https://zylkercorp.zohoplatform.com/clientoauth/v2/portal/token", "https://zylkercorp.zohoplatform.com", "own"},
		{map[string]string{"ACCOUNTS_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1/oauth/v2/token", "https://www.zohoapis.com", "made"},
	} {
		c, err := open(t, "https://crm.example", "made", oauth(test.env))
		if err != nil {
			t.Errorf("%v: %v", test.env, err)
			continue
		}
		if c.Client.TokenURL != test.token || c.Client.APIURL != test.api || c.Secrets[0] != test.tokenKey || c.Client.Version != "v8" || len(c.Events) != 1 {
			t.Errorf("%v: %+v, secrets %v", test.env, c.Client, c.Secrets)
		}
	}
	if c, err := open(t, "", "made", nil); c != nil || err != nil {
		t.Errorf("with nothing configured: %v, %v", c, err)
	}
	if c, err := open(t, "", "made", oauth(map[string]string{"EVENTS": ""})); c == nil || err != nil {
		t.Errorf("for backfills alone: %v, %v", c, err)
	}
}

// The modules whose records are kept are those that are named, or all that are subscribed.
func TestOpenRecords(t *testing.T) {
	for _, test := range []struct{ records, events, want string }{
		{"", "Deals.all", "[]"},
		{"Leads,Deals", "", "[Leads Deals]"},
		{"all,Leads", "Deals.all,Contacts.create", "[Deals Contacts Leads]"},
	} {
		crm, err := openCRM(t, "https://crm.example", "made", oauth(map[string]string{"RECORDS": test.records, "EVENTS": test.events}))
		if err != nil || crm.Reader == nil || fmt.Sprint(crm.KeptModules) != test.want {
			t.Errorf("%+v: %v, %v", test, crm, err)
		}
	}
}

// What is wrong is said with the variable's name and the mend, and without its value.
func TestOpenErrors(t *testing.T) {
	for _, test := range []struct {
		public, made string
		env          map[string]string
		says         string
	}{
		{"https://crm.example", "made", map[string]string{"CLIENT_ID": "planted-id"}, "BRIDGE_ZOHO_CLIENT_SECRET and BRIDGE_ZOHO_REFRESH_TOKEN must be set beside BRIDGE_ZOHO_CLIENT_ID"},
		{"https://crm.example", "made", map[string]string{"EVENTS": "Deals.all"}, "must be set beside BRIDGE_ZOHO_EVENTS"},
		{"https://crm.example", "made", map[string]string{"RECORDS": "Deals"}, "BRIDGE_ZOHO_CLIENT_ID, BRIDGE_ZOHO_CLIENT_SECRET, BRIDGE_ZOHO_REFRESH_TOKEN must be set beside BRIDGE_ZOHO_RECORDS"},
		{"", "made", oauth(map[string]string{"RECORDS": "Deals,all", "EVENTS": ""}), "BRIDGE_ZOHO_RECORDS: \"all\" stands for the modules of BRIDGE_ZOHO_EVENTS, which is not set"},
		{"", "made", oauth(nil), "BRIDGE_PUBLIC_URL must be set"},
		{"https://crm.example", "", oauth(nil), "BRIDGE_ZOHO_TOKEN_SECRET must be set"},
		{"https://crm.example", "made", oauth(map[string]string{"TOKENS": "1:planted-channel-token"}), "BRIDGE_ZOHO_TOKEN_SECRET must be set"},
	} {
		_, err := open(t, test.public, test.made, test.env)
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v: %v", test.env, err)
		}
	}
}

// Each type of the configuration takes what it should and says what is wrong with the rest, without quoting it.
func TestDecode(t *testing.T) {
	for _, test := range []struct {
		into  interface{ Decode(string) error }
		value string
		says  string // empty: it is taken
	}{
		{new(zoho.DataCentre), " EU ", ""},
		{new(zoho.DataCentre), "planted", "must be one of au, ca, cn"},
		{new(zoho.Version), "V2.1", ""},
		{new(zoho.Version), "planted", "must be one of v2"},
		{new(zoho.Version), "8", "must be one of v2"},
		{new(ingest.BaseURL), "https://www.zohoapis.eu/", ""},
		{new(ingest.BaseURL), "www.zohoapis.eu", "must be a URL"},
		{new(ingest.BaseURL), "https://me:planted@host", "must be a URL"},
		{new(ingest.BaseURL), "https://host/?token=planted", "must be a URL"},
		{new(ingest.WantedEvents), "Deals.all, Contacts.create,Contacts.EDIT,", ""},
		{new(ingest.WantedEvents), "Deals.all,planted", "entry 2 is not of the form Module.operation"},
		{new(ingest.WantedEvents), "Deals.planted", "entry 1: the operation must be create, edit, delete or all"},
		{new(ingest.WantedEvents), "planted planted.all", "entry 1 is not of the form"},
		{new(ingest.WantedEvents), " , ", "names no event"},
	} {
		err := test.into.Decode(test.value)
		if (test.says == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "planted")) {
			t.Errorf("%T %q: %v", test.into, test.value, err)
		}
	}
	var events ingest.WantedEvents
	if err := events.Decode("Deals.delete,Contacts.create,Deals.create,Deals.edit,Contacts.create"); err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || len(events[0].Operations) != 3 || events[0].Operations[0] != "create" || len(events[1].Operations) != 1 {
		t.Errorf("events: %+v", events)
	}
}
