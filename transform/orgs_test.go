package transform_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/transform"
)

// What one org's configuration says is data is still a secret in the callbacks of another; and the secrets of every org are masked in
// those of each.
func TestOrgsAreRedactedByTheirOwnRules(t *testing.T) {
	rules := func(secret string, params ...string) ingest.Secrets {
		return ingest.Secrets{Names: []string{"token"}, Params: params, Values: []string{secret}}
	}
	r := transform.NewRedactor(map[string]ingest.Secrets{
		"acme-webhooks": rules("secret-of-the-first-org"), transform.OfOrg("acme-webhooks", "emea"): rules("secret-of-the-emea-org", "token"),
	})
	const body = `{"token":"1-ab","note":"secret-of-the-first-org secret-of-the-emea-org"}`
	for org, token := range map[string]bool{"": false, "emea": true, "gone": false} {
		kept, err := r.Quarantine("id", ingest.Callback{Source: "acme-webhooks", Org: org, Account: "of " + org, Body: []byte(body)}, errors.New("a test"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(kept), "1-ab") != token || strings.Contains(string(kept), "secret-of") {
			t.Errorf("of the org %q: %s", org, kept)
		}
		if !strings.Contains(string(kept), `"account":"of `+org+`"`) {
			t.Errorf("its account is missing: %s", kept)
		}
	}
}
