package pipedrive_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive/pipedrivetest"
)

// A rotated password, another public URL and a webhook of version 1.0 are replaced: the new webhook is made before the old one is deleted,
// and there is no gap. Webhooks that post elsewhere stay.
func TestOutdatedWebhooksAreReplaced(t *testing.T) {
	for name, change := range map[string]func(*pipedrive.Subscriber, *pipedrivetest.CRM){
		"password": func(s *pipedrive.Subscriber, _ *pipedrivetest.CRM) { s.Password = "the-next-password" },
		"user":     func(s *pipedrive.Subscriber, _ *pipedrivetest.CRM) { s.User = "another" },
		"URL": func(s *pipedrive.Subscriber, _ *pipedrivetest.CRM) {
			s.URL = "https://new.example/pipedrive/webhooks"
		},
		"version": func(_ *pipedrive.Subscriber, crm *pipedrivetest.CRM) {
			crm.Change(func(w *pipedrivetest.Webhook) { w.Version = "1.0" })
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			crm, state := company(), ingesttest.State()
			watch(t, subscriber(t, crm, "deal.all"), state)
			foreign := crm.Add(pipedrivetest.Webhook{URL: "https://other.example/hook", Object: "*", Action: "*", Version: "2.0", Active: true})
			s := subscriber(t, crm, "deal.all")
			change(s, crm)
			crm.Requests()
			_, gaps := watch(t, s, state)
			requests := strings.Join(crm.Requests(), " ")
			if len(gaps) > 0 || !strings.Contains(requests, "POST /v1/webhooks DELETE /v1/webhooks/88001") {
				t.Errorf("%s: gaps %v, requests %s", name, gaps, requests)
			}
			hooks := crm.Webhooks()
			if len(hooks) != 2 && name != "version" || hooks[len(hooks)-1].URL != s.URL || hooks[len(hooks)-1].Password != s.Password {
				t.Errorf("%s: webhooks %+v", name, hooks)
			}
			if !slices.ContainsFunc(hooks, func(w pipedrivetest.Webhook) bool { return w.ID == foreign }) {
				t.Errorf("%s: the webhook of somebody else is gone", name)
			}
		})
	}
}

// Where the API hides passwords, a webhook whose deliveries are not authenticated has another one: it is replaced, and what it could not
// deliver is a gap.
func TestHiddenPasswordIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := company(), ingesttest.State()
		crm.HidesAuth = true
		watch(t, subscriber(t, crm, "deal.all"), state)
		seen := time.Now()
		s := subscriber(t, crm, "deal.all")
		s.Password = "the-next-password"
		crm.Change(func(w *pipedrivetest.Webhook) { w.Delivered, w.Status = time.Now(), http.StatusUnauthorized })
		_, gaps := watch(t, s, state)
		covers(t, gaps, seen, "deal")
		if hooks := crm.Webhooks(); len(hooks) != 1 || hooks[0].Password != s.Password {
			t.Errorf("webhooks %+v", hooks)
		}
	})
}

// Where the new webhook cannot be made, the old one stays.
func TestOldWebhookStaysUntilThereIsANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := company(), ingesttest.State()
		watch(t, subscriber(t, crm, "deal.all"), state)
		for range 39 {
			crm.Add(pipedrivetest.Webhook{URL: "https://other.example/hook", Object: "*", Action: "*", Version: "2.0", Active: true})
		}
		s := subscriber(t, crm, "deal.all")
		s.Password = "the-next-password"
		watched, err := s.Watch(t.Context(), state, nil)
		if err == nil || watched.Channels[0].State != "refused" || !strings.Contains(watched.Channels[0].Problem, "limit") || len(crm.Webhooks()) != 40 {
			t.Errorf("%v, %+v, %d webhooks", err, watched.Channels, len(crm.Webhooks()))
		}
	})
}

// A webhook that somebody made with the same URL and credentials is taken over, also where the API hides its password. What is no longer
// wanted is deleted.
func TestWebhooksAreTakenOver(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			crm, state := company(), ingesttest.State()
			crm.HidesAuth = hidden
			crm.Add(pipedrivetest.Webhook{URL: callbackURL, Object: "deal", Action: "*", User: "crm-bridge", Password: password, Version: "2.0", Active: true})
			s := subscriber(t, crm, "deal.all")
			watch(t, s, state)
			watch(t, s, state)
			if hooks := crm.Webhooks(); len(hooks) != 1 || hooks[0].ID != 88001 {
				t.Errorf("hidden %t: %+v", hidden, hooks)
			}
			watch(t, subscriber(t, crm, "person.all"), state)
			if got := shown(crm); !slices.Equal(got, []string{"person.*"}) {
				t.Errorf("webhooks %s", got)
			}
		})
	}
}

// What an old replica drops while replicas are replaced is a gap, if it comes back soon.
func TestDroppedForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := company(), ingesttest.State()
		both, one := subscriber(t, crm, "deal.all,person.all"), subscriber(t, crm, "deal.all")
		watch(t, both, state)
		seen := time.Now()
		watch(t, one, state)
		time.Sleep(30 * time.Minute)
		_, gaps := watch(t, both, state)
		covers(t, gaps, seen, "person")
		watch(t, one, state)
		time.Sleep(3 * time.Hour)
		if _, gaps := watch(t, both, state); len(gaps) > 0 {
			t.Errorf("gaps after hours: %v", gaps)
		}
	})
}
