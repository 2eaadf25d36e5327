package publish_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// Subjects returns those that match a filter and have messages; a stream with too many subjects is not scanned, and a missing one is an
// error.
func TestSubjects(t *testing.T) {
	server, conn := publishtest.Serve(t, nil)
	if _, _, err := conn.EnsureStream(t.Context(), publishtest.Stream("CRM", "crm.>")); err != nil {
		t.Fatal(err)
	}
	js := administrator(t, server)
	for _, subject := range []string{"crm.acme.Deals.edit", "crm.acme.Deals.edit", "crm.bitrix24.Deal.moveToCategory", "crm.other"} {
		if _, err := js.Publish(t.Context(), subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	for filter, want := range map[string][]string{
		"crm.>":      {"crm.acme.Deals.edit", "crm.bitrix24.Deal.moveToCategory", "crm.other"},
		"crm.acme.>": {"crm.acme.Deals.edit"},
		"crm.none.>": nil,
	} {
		got, err := conn.Subjects(t.Context(), "CRM", filter, 3)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", filter, err, diff)
		}
	}
	if got, err := conn.Subjects(t.Context(), "CRM", "crm.acme.>", 2); err == nil || !strings.Contains(err.Error(), "3 subjects, more than 2") {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := conn.Subjects(t.Context(), "NONE", ">", 2); err == nil || !strings.Contains(err.Error(), "stream NONE") {
		t.Error(err)
	}
}
