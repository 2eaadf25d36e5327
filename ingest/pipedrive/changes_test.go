package pipedrive_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
)

// Disabled webhooks are deleted and stay so, without a gap, until they are enabled; renewed ones are replaced.
func TestChangesByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := company(), ingesttest.State()
		s := subscriber(t, crm, "deal.all,person.all")
		watch(t, s, state)
		channels, err := s.Changes(state)["disable"](t.Context(), "deal")
		if err != nil || channels[0].State != "disabled" || channels[1].State != "active" || !slices.Equal(shown(crm), []string{"person.*"}) {
			t.Errorf("disabled: %v, %+v, %s", err, channels, shown(crm))
		}
		time.Sleep(time.Hour)
		if _, gaps := watch(t, s, state); len(gaps) > 0 || len(crm.Webhooks()) != 1 {
			t.Errorf("gaps %v", gaps)
		}
		if _, err := s.Changes(state)["renew"](t.Context(), "deal"); err == nil || !strings.Contains(err.Error(), "enable them first") {
			t.Errorf("renewed: %v", err)
		}
		if _, err := s.Changes(state)["enable"](t.Context(), ""); err != nil || len(crm.Webhooks()) != 2 {
			t.Errorf("enabled: %v", err)
		}
		before := crm.Webhooks()
		if _, err := s.Changes(state)["renew"](t.Context(), ""); err != nil || len(crm.Webhooks()) != 2 || crm.Webhooks()[0].ID == before[0].ID {
			t.Errorf("renewed: %v, %+v", err, crm.Webhooks())
		}
		if _, gaps := watch(t, s, state); len(gaps) > 0 {
			t.Errorf("gaps %v", gaps)
		}
		if _, err := s.Changes(state)["enable"](t.Context(), "note"); err == nil || !strings.Contains(err.Error(), "names no events of the module note") {
			t.Errorf("another module: %v", err)
		}
	})
}

// A change by hand at the moment of another replica's look is made all the same.
func TestChangeBesideAnotherReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := company(), ingesttest.State()
		other := subscriber(t, crm, "deal.all,person.all")
		watch(t, other, state)
		listed := 0
		s := subscriber(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				if listed++; listed == 1 {
					time.Sleep(time.Second)
					watch(t, other, state)
				}
			}
			crm.ServeHTTP(w, r)
		}), "deal.all,person.all")
		channels, err := s.Changes(state)["disable"](t.Context(), "deal")
		if err != nil || channels[0].State != "disabled" || !slices.Equal(shown(crm), []string{"person.*"}) {
			t.Errorf("%v: %+v, %s", err, channels, shown(crm))
		}
		if _, gaps := watch(t, other, state); len(gaps) > 0 || !slices.Equal(shown(crm), []string{"person.*"}) {
			t.Errorf("gaps %v, webhooks %s", gaps, shown(crm))
		}
	})
}
