package bridge

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
)

// secretive is a source with secrets, or none.
type secretive struct {
	unsure
	values []string
}

func (s secretive) Secrets() ingest.Secrets { return ingest.Secrets{Values: s.values} }

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
	checkChange(t, "apac", "", "", `acme has no account "apac" whose subscriptions this bridge keeps; it has default, portal-1, portal-2`)
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
	further.Account, further.Accounts = "emea", []string{"portal-1", "portal-2"}
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
