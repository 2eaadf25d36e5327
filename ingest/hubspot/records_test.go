package hubspot_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot/hubspottest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
)

// fake is HubSpot with an app and a portal.
func fake() *hubspottest.CRM {
	return &hubspottest.CRM{ClientID: "app-client-id", ClientSecret: secret, AccessToken: accessToken, Portal: 44001122}
}

// connected opens HubSpot with all that calls its API.
func connected(t testing.TB, to http.Handler, more ...func(*hubspot.Config)) (*ingest.CRM, ingest.State) {
	t.Helper()
	s := setup(func(c *hubspot.Config) {
		c.Hubspot.ClientID, c.Hubspot.ClientSecret = "app-client-id", ingest.SecretList{secret}
		c.Hubspot.AccessToken, c.Hubspot.Portals = hubspot.AccessTokens{"": accessToken}, ingest.AccountIDs{"44001122"}
		c.Hubspot.API.URL = "http://api.test"
		if err := c.Hubspot.Journal.Decode("deal:amount+dealstage,contact"); err != nil {
			t.Fatal(err)
		}
		for _, set := range more {
			set(c)
		}
	})
	s.State = ingesttest.State()
	crm, err := hubspot.Open(s)
	if err != nil {
		t.Fatal(err)
	}
	hubspot.SetHTTP(crm, &http.Client{Transport: ingesttest.Direct(to)})
	return crm, s.State
}

// list reads all that a query yields, from its cursor on.
func list(ctx context.Context, lister ingest.Lister, q ingest.Query) (all []ingest.Change, cursors []string, err error) {
	for page, err := range lister.Changed(ctx, q) {
		if err != nil {
			return all, cursors, err
		}
		all, cursors = append(all, page.Changes...), append(cursors, page.Cursor)
	}
	return all, cursors, nil
}

// Every record of a span is listed once, beyond the results that one search may page through, with all its properties, also where many share
// a millisecond. Each cursor leads to the rest.
func TestEveryRecordIsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		crm.Crowded = 400
		lister, _ := connected(t, crm)
		began := time.Now().UTC()
		want := map[string]bool{}
		add := func(n int, at time.Time) {
			for range n {
				want[crm.CreateAt("deals", "0-3", map[string]string{"dealname": "a", "amount": "1.10"}, at)] = true
			}
		}
		crm.CreateAt("deals", "0-3", map[string]string{"dealname": "before"}, began.Add(-time.Millisecond))
		add(450, began)
		for i := range 450 {
			add(1, began.Add(time.Duration(i)*time.Millisecond))
		}
		add(650, began.Add(2*time.Second))
		add(3, began.Add(3*time.Second-time.Millisecond))
		crm.CreateAt("deals", "0-3", map[string]string{"dealname": "after"}, began.Add(3*time.Second))
		query := ingest.Query{Account: "44001122", Module: "deal", Since: began, Until: began.Add(3 * time.Second), Origin: ingest.Backfill}
		all, cursors, err := list(t.Context(), lister.Lister, query)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, change := range all {
			got[change.IDs[0]]++
			if change.Operation != "create" || change.Account != "44001122" || change.Module != "deal" || !strings.Contains(string(change.Values[change.IDs[0]]), `"amount":"1.10"`) {
				t.Fatalf("%+v", change)
			}
		}
		for id := range want {
			if got[id] != 1 {
				t.Fatalf("record %s is listed %d times", id, got[id])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d records, not %d", len(got), len(want))
		}
		for i, cursor := range cursors {
			query.Cursor = cursor
			rest, _, err := list(t.Context(), lister.Lister, query)
			if err != nil {
				t.Fatal(err)
			}
			for _, change := range rest {
				delete(want, change.IDs[0])
			}
			if i == 0 && len(want) > 250 {
				t.Errorf("after the first page %d records are missing", len(want))
			}
		}
		if _, _, err := list(t.Context(), lister.Lister, ingest.Query{Account: "44001122", Module: "deal", Cursor: `{"Portal":"1"}`}); !errors.Is(err, ingest.ErrCursor) {
			t.Error(err)
		}
	})
}

// A repair has what was created, edited and archived in its span, also where a later edit hides an earlier one; a backfill has a record only
// at its last modification.
func TestWhatARepairLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		lister, _ := connected(t, crm)
		old := crm.Create("contacts", "0-1", map[string]string{"email": "old@example.com"})
		gone := crm.Create("contacts", "0-1", map[string]string{"email": "gone@example.com"})
		never := crm.Create("contacts", "0-1", map[string]string{"email": "never@example.com"})
		time.Sleep(time.Hour)
		since := time.Now()
		made := crm.Create("contacts", "0-1", map[string]string{"email": "made@example.com"})
		crm.Update("contacts", "0-1", old, map[string]string{"email": "hidden@example.com"})
		crm.Archive("contacts", "0-1", gone)
		time.Sleep(time.Hour)
		until := time.Now()
		crm.Update("contacts", "0-1", old, map[string]string{"email": "later@example.com"})
		crm.Create("contacts", "0-1", map[string]string{"email": "after@example.com"})
		crm.Archive("contacts", "0-1", never)
		time.Sleep(time.Minute)
		for origin, want := range map[ingest.Origin]string{
			ingest.Repair:   made + " create made@example.com, " + old + " edit later@example.com, " + gone + " delete",
			ingest.Backfill: made + " create made@example.com, " + gone + " delete",
		} {
			all, _, err := list(t.Context(), lister.Lister, ingest.Query{Account: "44001122", Module: "contact", Since: since, Until: until, Origin: origin})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, change := range all {
				var values struct{ Email string }
				_ = json.Unmarshal(change.Values[change.IDs[0]], &values)
				got = append(got, strings.TrimSpace(change.IDs[0]+" "+change.Operation+" "+values.Email))
				if _, err := mapping(t).Events(change); err != nil || change.Mark == "" || change.Origin != origin {
					t.Errorf("%+v: %v", change, err)
				}
			}
			if text := strings.Join(got, ", "); text != want {
				t.Errorf("%s: %s, not %s", origin, text, want)
			}
		}
	})
}

// A module that HubSpot does not list is an error that says which it does.
func TestNoList(t *testing.T) {
	lister, _ := connected(t, fake())
	for _, query := range []ingest.Query{{Module: "conversation"}, {Module: "Deals"}, {Module: "deal", Account: "55003344"}} {
		if _, _, err := list(t.Context(), lister.Lister, query); !errors.Is(err, ingest.ErrNoList) {
			t.Errorf("%+v: %v", query, err)
		}
	}
}

// Without the scope for properties records are listed with what the search returns.
func TestWithoutProperties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		crm.NoProperties = true
		lister, _ := connected(t, crm)
		since := time.Now()
		crm.Create("deals", "0-3", map[string]string{"amount": "1"})
		all, _, err := list(t.Context(), lister.Lister, ingest.Query{Module: "deal", Since: since, Until: since.Add(time.Minute)})
		if err != nil || len(all) != 1 || slices.Contains(crm.Requests(), "POST /crm/objects/2026-09/deals/batch/read") {
			t.Errorf("%d records, %v, %q", len(all), err, crm.Requests())
		}
	})
}

// The limit of ten seconds passes and that of the day does not, nor does a refused token; no error shows the token, which HubSpot repeats.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		lister, _ := connected(t, crm)
		query := ingest.Query{Module: "deal", Until: time.Now()}
		crm.Fail(hubspottest.TenSecondly, hubspottest.Broken)
		began := time.Now()
		if _, _, err := list(t.Context(), lister.Lister, query); err != nil || time.Since(began) < 10*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		crm.Fail(hubspottest.Daily)
		before := len(crm.Requests())
		_, _, err := list(t.Context(), lister.Lister, query)
		if err == nil || !strings.Contains(err.Error(), "daily limit") || len(crm.Requests()) != before+1 {
			t.Errorf("%v after %q", err, crm.Requests()[before:])
		}
		crm.AccessToken = "another"
		if _, _, err = list(t.Context(), lister.Lister, query); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), accessToken) {
			t.Error(err)
		}
	})
}

// The portal of a token is learned from the API, and a token of another portal than the configured one is an error.
func TestPortalOfAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		since := time.Now()
		crm.Create("deals", "0-3", map[string]string{"amount": "1"})
		query := ingest.Query{Module: "deal", Since: since, Until: since.Add(time.Minute)}
		for _, portals := range []ingest.AccountIDs{nil, {"44001122"}, {"55003344"}} {
			lister, _ := connected(t, crm, func(c *hubspot.Config) { c.Hubspot.Portals, c.Hubspot.Journal = portals, nil })
			query.Account = lister.Accounts[0]
			all, _, err := list(t.Context(), lister.Lister, query)
			if right := len(portals) == 0 || portals[0] == "44001122"; right != (err == nil) || right && (len(all) != 1 || all[0].Account != "44001122") {
				t.Errorf("portals %v: %+v, %v", portals, all, err)
			}
			if failed := lister.Reach(t.Context()); (failed == nil) != (err == nil) {
				t.Errorf("portals %v: config check says %v", portals, failed)
			}
		}
	})
}

// Access tokens of several portals each list their own.
func TestSeveralPortals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := fake(), fake()
		other.AccessToken, other.Portal = "pat-eu1-other", 55003344
		since := time.Now()
		one.Create("deals", "0-3", map[string]string{"amount": "1"})
		other.Create("deals", "0-3", map[string]string{"amount": "2"})
		lister, _ := connected(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer pat-eu1-other" {
				other.ServeHTTP(w, r)
				return
			}
			one.ServeHTTP(w, r)
		}), func(c *hubspot.Config) {
			c.Hubspot.AccessToken = hubspot.AccessTokens{"44001122": accessToken, "55003344": "pat-eu1-other"}
			c.Hubspot.Portals, c.Hubspot.Journal = ingest.AccountIDs{"44001122", "55003344"}, nil
		})
		all, cursors, err := list(t.Context(), lister.Lister, ingest.Query{Module: "deal", Since: since, Until: since.Add(time.Minute)})
		if err != nil || len(all) != 2 || all[0].Account != "44001122" || all[1].Account != "55003344" || fmt.Sprint(lister.Accounts) != "[44001122 55003344]" {
			t.Fatalf("%+v, %v", all, err)
		}
		rest, _, err := list(t.Context(), lister.Lister, ingest.Query{Module: "deal", Since: since, Until: since.Add(time.Minute), Cursor: cursors[1]})
		if err != nil || len(rest) != 1 || rest[0].Account != "55003344" {
			t.Errorf("from the second page on: %+v, %v", rest, err)
		}
	})
}
