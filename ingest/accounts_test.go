package ingest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// An account that is missing from the configuration is named with the variable that lists the others, but not if it is a text that no
// account has: the reason is logged.
func TestAccountIDsNameWhatIsMissing(t *testing.T) {
	listed := ingest.AccountIDs{"1", "2"}
	if listed.Check("2", "BRIDGE_ACME_PORTALS") != nil || (ingest.AccountIDs{}).Check("3", "BRIDGE_ACME_PORTALS") != nil {
		t.Error("an account that is listed, or one of all, was ignored")
	}
	for id, want := range map[string]string{
		"3":                       "of an account that is not configured: BRIDGE_ACME_PORTALS does not name 3",
		"":                        "of an account that is not configured",
		"planted text":            "of an account that is not configured",
		strings.Repeat("9", 1000): "of an account that is not configured",
	} {
		if err := listed.Check(id, "BRIDGE_ACME_PORTALS"); !errors.Is(err, ingest.ErrIgnored) || err.Error() != want {
			t.Errorf("%q: %v", id, err)
		}
	}
}
