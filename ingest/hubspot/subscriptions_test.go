package hubspot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
)

// states are the states of channels, by module.
func states(w ingest.Watched) (all []string) {
	for _, channel := range w.Channels {
		all = append(all, fmt.Sprint(channel.Account, " ", channel.Modules[0], " ", channel.State, " ", channel.Queued))
	}
	return all
}

// What is configured is subscribed to once; what somebody deletes is made again, and the time since is a gap; what is no longer configured is
// deleted, and subscriptions of others stay.
func TestSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		opened, state, k := subscribed(t, crm)
		watch := func(of *ingest.CRM) ingest.Watched {
			t.Helper()
			watched, err := of.Watcher.Watch(t.Context(), state, k.note)
			if err != nil {
				t.Fatal(err)
			}
			return watched
		}
		made := len(crm.Requests())
		if got := states(watch(opened)); !slices.Equal(got, []string{"44001122 deal active true", "44001122 contact active true"}) || crm.Subscriptions() != 2 || len(crm.Requests()) != made+1 || len(k.gaps) > 0 {
			t.Errorf("%q, %d subscriptions, gaps %v", got, crm.Subscriptions(), k.gaps)
		}
		seen := time.Now()
		time.Sleep(time.Hour)
		crm.Unsubscribe()
		watch(opened)
		if crm.Subscriptions() != 2 || len(k.gaps) != 2 || k.gaps[0].Since.After(seen) || k.gaps[0].Until.Before(time.Now()) || k.gaps[0].Module != "deal" {
			t.Errorf("%d subscriptions, gaps %v", crm.Subscriptions(), k.gaps)
		}
		fewer, _ := connected(t, crm, func(c *hubspot.Config) { c.Hubspot.Journal = c.Hubspot.Journal[:1] })
		if watch(fewer); crm.Subscriptions() != 1 {
			t.Errorf("%d subscriptions, not 1", crm.Subscriptions())
		}
		other, _ := connected(t, crm, func(c *hubspot.Config) {
			c.Hubspot.Journal = hubspot.Wanted{{Module: "deal", Properties: []string{"pipeline"}}}
		})
		before := len(crm.Requests())
		if watch(other); crm.Subscriptions() != 1 || !slices.Contains(crm.Requests()[before:], "POST /webhooks-journal/subscriptions/2026-09") {
			t.Errorf("another property: %d subscriptions, %q", crm.Subscriptions(), crm.Requests()[before:])
		}
	})
}

// Subscriptions are disabled and enabled by portal; a disabled one is not renewed.
func TestDisable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		opened, state, k := subscribed(t, crm)
		change := func(word, portal, problem string) {
			t.Helper()
			if _, err := hubspot.Changes(opened, state)[word](t.Context(), portal); (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
				t.Errorf("%s: %v", word, err)
			}
			if _, err := opened.Watcher.Watch(t.Context(), state, k.note); err != nil {
				t.Error(err)
			}
		}
		if change("disable", "44001122", ""); crm.Subscriptions() != 0 {
			t.Errorf("%d subscriptions are left", crm.Subscriptions())
		}
		change("renew", "", "enable it first")
		change("enable", "666", "does not name the portal")
		if change("enable", "", ""); crm.Subscriptions() != 2 || len(k.gaps) > 0 {
			t.Errorf("%d subscriptions, gaps %v", crm.Subscriptions(), k.gaps)
		}
	})
}

// A subscription that HubSpot refuses is reported with its answer, and the others are made.
func TestRefusedSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened, state := connected(t, fake(), func(c *hubspot.Config) {
			c.Hubspot.Portals = ingest.AccountIDs{"55003344", "44001122"}
			c.Hubspot.AccessToken = nil
		})
		watched, err := opened.Watcher.Watch(t.Context(), state, func(ingest.Gap) error { return nil })
		want := []string{"55003344 deal refused true", "55003344 contact refused true", "44001122 deal active true", "44001122 contact active true"}
		if got := states(watched); err == nil || !slices.Equal(got, want) || !strings.Contains(watched.Channels[0].Problem, "Invalid subscription") {
			t.Errorf("%q, %v", got, err)
		}
	})
}
