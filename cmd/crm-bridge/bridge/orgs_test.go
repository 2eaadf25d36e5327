package bridge

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
)

// secretive is a source with secrets, or none.
type secretive struct {
	unsure
	values []string
}

func (s secretive) Secrets() ingest.Secrets { return ingest.Secrets{Values: s.values} }

// acmeConfig is what the environment says of a CRM.
type acmeConfig struct {
	Acme struct {
		Token string `split_words:"true" secret:"true" unshared:"true" desc:"a token"`
	}
}

// Each org is opened with its own variables, secrets, state and log, and wakes itself; the first as a CRM with one org is.
func TestOrgsAreOpenedApart(t *testing.T) {
	t.Setenv("BRIDGE_ACME_ACCOUNTS", "Us-East")
	t.Setenv("BRIDGE_ACME_TOKEN", "first-token")
	t.Setenv("BRIDGE_ACME_US_EAST_TOKEN", "further-token")
	var setups []ingest.Setup
	var tokens, woken []string
	acme := func(setup ingest.Setup) (*ingest.CRM, error) {
		var c acmeConfig
		if err := setup.Env(&c); err != nil {
			return nil, err
		}
		setups, tokens = append(setups, setup), append(tokens, c.Acme.Token)
		return &ingest.CRM{Provider: "acme"}, nil
	}
	store, secret, log := &ingest.Memory{}, &ingest.Memory{}, &bytes.Buffer{}
	crms, err := Opening{
		Env: &config.Environment{}, Wake: func(crm *ingest.CRM) { woken = append(woken, crm.Key()) },
		Setup: ingest.Setup{
			State: ingest.State{Shared: store, Secret: secret}, Log: slog.New(slog.NewTextHandler(log, nil)), PublicURLs: []string{"https://crm.test"},
			MadeSecret: func(name string) (string, error) { return "made for " + name, nil },
		},
	}.Open([]Opener{acme})
	if err != nil || len(crms) != 2 || crms[1].Key() != "acme.us_east" || crms[1].Account != "Us-East" {
		t.Fatalf("%v, %v", crms, err)
	}
	if diff := cmp.Diff([]string{"first-token", "further-token"}, tokens); diff != "" {
		t.Error(diff)
	}
	for i, want := range []struct{ prefix, made, account, log string }{{"", "made for x", "", ""}, {"org.acme.us_east.", "made for x-us_east", "Us-East", "org=us_east"}} {
		setup := setups[i]
		for _, one := range []ingest.Store{setup.State.Shared, setup.State.Secret} {
			if _, err := one.Save(t.Context(), "acme.key", nil, 0); err != nil {
				t.Error(err)
			}
		}
		if all := store.All(); len(all) != i+1 || len(secret.All()) != i+1 {
			t.Errorf("the state of both is %v, %v", all, secret.All())
		} else if _, ok := all[want.prefix+"acme.key"]; !ok {
			t.Errorf("the state is %v", all)
		}
		if made, _ := setup.MadeSecret("x"); made != want.made || setup.Account != want.account || setup.PublicURL() != "https://crm.test" {
			t.Errorf("%q, %+v", made, setup)
		}
		log.Reset()
		if setup.Log.Info("x"); !strings.Contains(log.String(), want.log) {
			t.Errorf("logged %s", log)
		}
		setup.Wake()
	}
	if diff := cmp.Diff([]string{"acme", "acme.us_east"}, woken); diff != "" {
		t.Error(diff)
	}
}

// learning is a source that learns its secrets from the CRM.
type learning struct{ secretive }

func (learning) LearnsSecrets() bool { return true }

// A first org that is not configured beside others is not warned of; an org that has no secret is, by its name.
func TestWarningsOfOrgs(t *testing.T) {
	org := func(name string, values ...string) *ingest.CRM {
		return &ingest.CRM{Provider: "acme", Org: name, Sources: []ingest.Source{secretive{values: values}}}
	}
	for name, test := range map[string]struct {
		crms CRMs
		want []string // what the lines say
	}{
		"one org without a secret": {CRMs{org("")}, []string{"no secret is configured for this source"}},
		"a source that learns one": {CRMs{{Provider: "acme", Sources: []ingest.Source{learning{}}}}, nil},
		"another org with one":     {CRMs{org(""), org("emea", "a-long-enough-secret")}, nil},
		"another org without one":  {CRMs{org("", "a-long-enough-secret"), org("emea")}, []string{"org=emea"}},
		"a short secret":           {CRMs{org("", "a-long-enough-secret"), org("emea", "short")}, []string{"org=emea"}},
	} {
		var log bytes.Buffer
		warnOfSecrets(test.crms, slog.New(slog.NewTextHandler(&log, nil)))
		if strings.Count(log.String(), "\n") != len(test.want) {
			t.Errorf("%s: %s", name, log.String())
		}
		for _, text := range test.want {
			if !strings.Contains(log.String(), text) {
				t.Errorf("%s: %s", name, log.String())
			}
		}
	}
}

// A change of channels is made in the orgs that the account names, or in all; one of several portals of an org is its target.
func TestChangesOfOrgs(t *testing.T) {
	checkChange(t, "", "", ":; emea:; ", "")
	checkChange(t, "", "Deals", ":Deals; emea:Deals; ", "")
	checkChange(t, "default", "Deals", ":Deals; ", "")
	checkChange(t, "emea", "", "emea:; ", "")
	checkChange(t, "portal-2", "", "emea:portal-2; ", "")
	checkChange(t, "portal-2", "portal-2", "emea:portal-2; ", "")
	checkChange(t, "portal-2", "portal-1", "", `"portal-1" is not the account "portal-2"`)
	checkChange(t, "apac", "", "", `acme has no account "apac" whose subscriptions this bridge keeps; it has default, portal-1, portal-2, portal-3`)
	checkChange(t, "portal-1", "", "emea:portal-1; ", "") // the only one whose records are listed
	checkChange(t, "portal-3", "", "emea:portal-3; ", "") // its records are not
}

func checkChange(t *testing.T, account, target, want, says string) {
	t.Helper()
	changed := ""
	org := func(name string) *ingest.CRM {
		return &ingest.CRM{Provider: "acme", Org: name, Lister: unsure{}, Changes: map[string]func(context.Context, string) ([]ingest.Channel, error){
			"renew": func(_ context.Context, target string) ([]ingest.Channel, error) {
				changed += name + ":" + target + "; "
				return []ingest.Channel{}, nil
			},
		}}
	}
	first, further := org(""), org("emea")
	first.Account, first.Accounts = "default", []string{"default"}
	further.Account, further.Accounts, further.Targets = "emea", []string{"portal-1"}, []string{"portal-1", "portal-2", "portal-3"}
	crms, store := CRMs{first, further}, &ingest.Memory{}
	c := &channels{
		crms: crms, log: slog.New(slog.DiscardHandler), last: &lastCallbacks{},
		keeper: &keep.Keeper{CRMs: crms, State: ingest.State{Shared: store, Secret: store}, Metrics: keep.NewKeeperMetrics(prometheus.NewRegistry())},
	}
	err := c.changeChannels(t.Context(), "renew", "acme", account, target)
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("account %q, target %q: %s", account, target, diff)
	}
	if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
		t.Errorf("account %q, target %q: %v", account, target, err)
	}
}

// A channel's account names its org, also where the org has another name until its CRM has told it; either name lists and changes it.
func TestAccountOfChannels(t *testing.T) {
	changed := 0
	crm := &ingest.CRM{Provider: "acme", Accounts: []string{"default"}, Lister: unsure{}, Changes: map[string]func(context.Context, string) ([]ingest.Channel, error){
		"renew": func(context.Context, string) ([]ingest.Channel, error) {
			changed++
			return []ingest.Channel{}, nil
		},
	}}
	crms, store := CRMs{crm}, &ingest.Memory{}
	c := &channels{
		crms: crms, log: slog.New(slog.DiscardHandler), last: &lastCallbacks{},
		keeper: &keep.Keeper{CRMs: crms, State: ingest.State{Shared: store, Secret: store}, Metrics: keep.NewKeeperMetrics(prometheus.NewRegistry())},
	}
	if err := c.keeper.Remember(t.Context(), crm, []ingest.Channel{{Provider: "acme", Account: "4711", ID: "c-1", State: "active"}}); err != nil {
		t.Fatal(err)
	}
	for account, known := range map[string]bool{"": true, "4711": true, "default": true, "apac": false} {
		changed = 0
		if err := c.changeChannels(t.Context(), "renew", "acme", account, ""); (err == nil) != known || (changed == 1) != known {
			t.Errorf("account %q: changed %d times, %v", account, changed, err)
		}
		listed := httptest.NewRecorder()
		if c.listChannels(t.Context(), listed, account); strings.Contains(listed.Body.String(), "c-1") != known {
			t.Errorf("account %q lists %q", account, listed.Body)
		}
	}
}
