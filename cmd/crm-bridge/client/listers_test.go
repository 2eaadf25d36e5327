package client

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// naming lists one change of the account that it is asked for, and then fails.
type naming struct{ org string }

func (n naming) Changed(_ context.Context, q ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(yield func(ingest.Page, error) bool) {
		if yield(ingest.Page{Changes: []ingest.Change{{Account: q.Account, Module: n.org}}}, nil) {
			yield(ingest.Page{}, errors.New("set BRIDGE_ACME_TOKEN"))
		}
	}
}

// A backfill reads each account from its own org, and the accounts that are named alone.
func TestBackfillOfAccounts(t *testing.T) {
	crms := bridge.CRMs{
		{Provider: "acme", Accounts: []string{"one", "two"}, Lister: naming{"first"}},
		{Provider: "acme", Org: "emea", Account: "emea", Accounts: []string{"three"}, Lister: naming{"emea"}, Rename: strings.NewReplacer("ACME_", "ACME_EMEA_").Replace},
		{Provider: "acme", Org: "us", Account: "us", Words: ingest.Words{Credentials: []string{"BRIDGE_ACME_US_TOKEN"}}},
	}
	for account, want := range map[string][]string{
		"": {"one", "two", "three"}, "one": {"one"}, "two": {"two"}, "three": {"three"}, "emea": {"three"},
	} {
		l, err := listersOf(crms, account)
		if err != nil || !slices.Equal(l.accounts, want) {
			t.Errorf("%q is %v, %v", account, l, err)
		}
	}
	if _, err := listersOf(crms, "four"); err == nil || !strings.Contains(err.Error(), `no account "four"; it has one, two, three, us`) {
		t.Error(err)
	}
	if _, err := listersOf(crms, "us"); err == nil || !strings.Contains(err.Error(), "set BRIDGE_ACME_US_TOKEN") {
		t.Error(err)
	}
	if _, err := listersOf(crms[:1:1], "four"); err == nil || !strings.Contains(err.Error(), "it has one, two") {
		t.Error(err)
	}
	bare := bridge.CRMs{{Provider: "acme", Words: ingest.Words{Credentials: []string{"BRIDGE_ACME_TOKEN"}}}}
	if _, err := listersOf(bare, "four"); err == nil || !strings.Contains(err.Error(), "set BRIDGE_ACME_TOKEN") {
		t.Errorf("nothing is configured: %v", err)
	}
	all, err := listersOf(crms, "")
	if err != nil {
		t.Fatal(err)
	}
	for account, org := range map[string]string{"two": "", "three": "emea"} {
		for page, err := range all.Changed(t.Context(), ingest.Query{Account: account}) {
			if err != nil && strings.Contains(err.Error(), "EMEA") != (org == "emea") {
				t.Errorf("the error of %s is %v", account, err)
			}
			for _, change := range page.Changes {
				if change.Account != account || change.Org != org || change.Module == "emea" != (org == "emea") {
					t.Errorf("%s is read as %+v", account, change)
				}
			}
		}
	}
}
