package pipedrive_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive/pipedrivetest"
)

const callbackURL = "https://crm.example/pipedrive/webhooks"

func company() *pipedrivetest.CRM { return &pipedrivetest.CRM{Token: apiToken} }

func clientOf(crm http.Handler) *pipedrive.Client {
	return &pipedrive.Client{
		HTTP: &http.Client{Transport: ingesttest.Direct(crm)}, URL: "https://api.pipedrive.com", Token: apiToken, Passwords: []string{password, older},
	}
}

func subscriber(t *testing.T, crm http.Handler, events string) *pipedrive.Subscriber {
	t.Helper()
	s := &pipedrive.Subscriber{Client: clientOf(crm), URL: callbackURL, User: "crm-bridge", Password: password, Log: slog.New(slog.DiscardHandler)}
	if err := s.Events.Decode(events); err != nil {
		t.Fatal(err)
	}
	return s
}

// watch calls Watch, which must succeed, and returns the channels and the gaps.
func watch(t *testing.T, s *pipedrive.Subscriber, state ingest.State) (watched ingest.Watched, gaps []ingest.Gap) {
	t.Helper()
	watched, err := s.Watch(t.Context(), state, func(gap ingest.Gap) error {
		gaps = append(gaps, gap)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return watched, gaps
}

// shown returns what webhooks report, without their order: deal.change.
func shown(crm *pipedrivetest.CRM) (all []string) {
	for _, w := range crm.Webhooks() {
		all = append(all, w.Object+"."+w.Action)
	}
	slices.Sort(all)
	return all
}

// covers fails unless a gap of each module is there, from a time or shortly before it until now.
func covers(t *testing.T, gaps []ingest.Gap, since time.Time, modules ...string) {
	t.Helper()
	if len(gaps) != len(modules) {
		t.Errorf("gaps of %s: %+v", modules, gaps)
	}
	for _, gap := range gaps {
		if gap.Account != "10203040" || !slices.Contains(modules, gap.Module) || gap.Since.After(since) || gap.Since.Before(since.Add(-10*time.Minute)) || gap.Until.Before(time.Now()) {
			t.Errorf("gap since %s: %+v", since, gap)
		}
	}
}

// Each wanted module has one webhook of version 2.0 with the credentials; all has one for everything. Looking again changes nothing.
func TestWebhooksAreMadeOnce(t *testing.T) {
	for events, want := range map[string][]string{
		"deal.all,person.delete,person.create": {"deal.*", "person.create", "person.delete"},
		"all":                                  {"*.*"},
	} {
		synctest.Test(t, func(t *testing.T) {
			crm, state := company(), ingesttest.State()
			s := subscriber(t, crm, events)
			for range 3 {
				watched, gaps := watch(t, s, state)
				if got := shown(crm); !slices.Equal(got, want) || len(gaps) > 0 || len(watched.Channels) != len(want) {
					t.Errorf("%s: webhooks %s, channels %+v, gaps %v", events, got, watched.Channels, gaps)
				}
				for _, channel := range watched.Channels {
					if channel.State != "active" || channel.Account != "10203040" || channel.ID == "" || len(channel.Modules) == 0 || channel.Problem != "" {
						t.Errorf("channel %+v", channel)
					}
				}
				time.Sleep(time.Until(watched.Next))
			}
			for _, w := range crm.Webhooks() {
				if w.Version != "2.0" || w.URL != callbackURL || w.User != "crm-bridge" || w.Password != password {
					t.Errorf("webhook %+v", w)
				}
			}
		})
	}
}

// A webhook that is gone, or suspended, is made again, and the time since it was last seen well is a gap, once. A suspended one is deleted.
func TestWebhooksThatEndAreReplaced(t *testing.T) {
	for name, end := range map[string]func(*pipedrivetest.CRM){
		"deleted":   (*pipedrivetest.CRM).Lose,
		"suspended": func(crm *pipedrivetest.CRM) { crm.Change(func(w *pipedrivetest.Webhook) { w.Active = false }) },
	} {
		synctest.Test(t, func(t *testing.T) {
			crm, state := company(), ingesttest.State()
			watched, _ := watch(t, subscriber(t, crm, "deal.all,person.all"), state)
			seen := time.Now()
			time.Sleep(time.Until(watched.Next))
			end(crm)
			s := subscriber(t, crm, "deal.all,person.all") // another process
			_, gaps := watch(t, s, state)
			covers(t, gaps, seen, "deal", "person")
			if got := shown(crm); !slices.Equal(got, []string{"deal.*", "person.*"}) {
				t.Errorf("%s: webhooks %s", name, got)
			}
			if _, gaps = watch(t, s, state); len(gaps) > 0 {
				t.Errorf("%s: noted again: %v", name, gaps)
			}
		})
	}
}

// A gap that cannot be noted, or an API that fails in between, does not lose it.
func TestGapsOutliveFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := company(), ingesttest.State()
		s := subscriber(t, crm, "deal.all")
		watch(t, s, state)
		seen := time.Now()
		time.Sleep(time.Hour)
		crm.Lose()
		crm.Refuse(pipedrivetest.Refusal{}, pipedrivetest.BadGate) // the list is answered, the POST is not
		if _, err := s.Watch(t.Context(), state, func(ingest.Gap) error { return errors.New("the store is down") }); err == nil {
			t.Error("no failure")
		}
		_, gaps := watch(t, subscriber(t, crm, "deal.all"), state)
		covers(t, gaps, seen, "deal")
	})
}

// Deliveries that fail are a gap from the last look, or from the last delivery, each time that more have failed, and once more when they
// succeed again: what failed between the last look and then was not seen.
func TestFailingDeliveriesAreGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := company(), ingesttest.State()
		s := subscriber(t, crm, "deal.all")
		watch(t, s, state)
		delivered := func(status int) {
			crm.Change(func(w *pipedrivetest.Webhook) { w.Delivered, w.Status = time.Now(), status })
		}
		look := func() []ingest.Gap {
			time.Sleep(20 * time.Minute)
			_, gaps := watch(t, s, state)
			return gaps
		}
		delivered(200)
		if gaps := look(); len(gaps) > 0 {
			t.Errorf("after a success: %v", gaps)
		}
		seen := time.Now()
		delivered(503)
		covers(t, look(), seen, "deal")
		if gaps := look(); len(gaps) > 0 {
			t.Errorf("nothing was delivered since: %v", gaps)
		}
		failed := time.Now().Add(-20 * time.Minute) // nothing was seen well since
		delivered(0)
		covers(t, look(), failed, "deal")
		seen = time.Now()
		delivered(204)
		covers(t, look(), seen, "deal")
		if gaps := look(); len(gaps) > 0 {
			t.Errorf("it works again: %v", gaps)
		}
		if got := len(crm.Webhooks()); got != 1 {
			t.Errorf("%d webhooks", got)
		}
	})
}

// Of two webhooks for the same, one that works is enough.
func TestOneWorkingWebhookIsEnough(t *testing.T) {
	for _, status := range [][2]int{{200, 503}, {503, 200}} {
		synctest.Test(t, func(t *testing.T) {
			crm, state := company(), ingesttest.State()
			s := subscriber(t, crm, "deal.all")
			watch(t, s, state)
			crm.Add(crm.Webhooks()[0])
			at := 0
			crm.Change(func(w *pipedrivetest.Webhook) { w.Delivered, w.Status, at = time.Now(), status[at], at+1 })
			time.Sleep(time.Hour)
			if _, gaps := watch(t, s, state); len(gaps) > 0 {
				t.Errorf("%v: gaps %v", status, gaps)
			}
		})
	}
}

// A webhook that somebody deleted once, and that is still listed, is neither a gap nor deleted again.
func TestRemovedWebhooksAreHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := company(), ingesttest.State()
		crm.Add(pipedrivetest.Webhook{URL: callbackURL, Object: "deal", Action: "*", Version: "2.0", Removed: true, Delivered: time.Now().Add(-9999 * time.Hour), Status: 200})
		s := subscriber(t, crm, "deal.all")
		for range 2 {
			if _, gaps := watch(t, s, state); len(gaps) > 0 || len(crm.Webhooks()) != 2 {
				t.Errorf("gaps %v, webhooks %+v", gaps, crm.Webhooks())
			}
		}
	})
}

// A webhook whose POST was carried out, but not answered, is not made a second time.
func TestLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := company(), ingesttest.State()
		s := subscriber(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			crm.ServeHTTP(w, r)
			if r.Method == http.MethodPost {
				panic(http.ErrAbortHandler)
			}
		}), "deal.all")
		if watched, err := s.Watch(t.Context(), state, nil); err == nil || len(crm.Webhooks()) != 1 || watched.Channels[0].State != "lapsed" || watched.Next.After(time.Now().Add(time.Minute)) {
			t.Errorf("%v: %+v", err, watched)
		}
		watched, gaps := watch(t, s, state)
		if len(crm.Webhooks()) != 1 || watched.Channels[0].State != "active" || len(gaps) > 0 {
			t.Errorf("%d webhooks, %+v, gaps %v", len(crm.Webhooks()), watched.Channels, gaps)
		}
	})
}

// Rows are read whatever their members' types are: numbers as text, a flag as true, times with a space, no version, no company.
func TestWebhooksOfOtherTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := "201"
		s := subscriber(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			if r.URL.Path != "/v1/webhooks" {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			_, _ = io.WriteString(w, `{"data":[{"id":"88001","event_action":"*","event_object":"deal","subscription_url":"`+callbackURL+`","is_active":true,
				"http_auth_user":"crm-bridge","http_auth_password":"`+password+`","last_delivery_time":"1999-12-31 23:00:00","last_http_status":"`+status+`"}]}`)
		}), "deal.all")
		s.Client.Companies = ingest.AccountIDs{"10203040"}
		state := ingesttest.State()
		if watched, gaps := watch(t, s, state); watched.Channels[0].ID != "88001" || watched.Channels[0].State != "active" || len(gaps) > 0 {
			t.Errorf("%+v, %v", watched.Channels, gaps)
		}
		status = "500"
		_, gaps := watch(t, s, state)
		covers(t, gaps, time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC), "deal")
	})
}

// Nothing is subscribed in a company that is not configured, and no secret is stored or shown.
func TestTokenOfAnotherCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := company(), ingesttest.State()
		s := subscriber(t, crm, "all")
		s.Client.Companies = ingest.AccountIDs{"1", "2"}
		if _, err := s.Watch(t.Context(), state, nil); err == nil || !strings.Contains(err.Error(), "of company 10203040, which BRIDGE_PIPEDRIVE_COMPANIES does not name") {
			t.Errorf("%v", err)
		}
		if len(crm.Webhooks()) > 0 {
			t.Error("a webhook was made")
		}
		s.Client.Companies = nil
		watch(t, s, state)
		for _, store := range []ingest.Store{state.Shared, state.Secret} {
			dump := store.(*ingesttest.FailingMemory).Dump()
			for _, secret := range []string{password, apiToken} {
				if strings.Contains(dump, secret) {
					t.Errorf("stored: %s", dump)
				}
			}
		}
	})
}
