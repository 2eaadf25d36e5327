package hubspot_test

import (
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot/hubspottest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
)

const portal = "44001122"

// reader opens what reads the records of a portal that is reached over HTTP.
func reader(t *testing.T, crm *hubspottest.CRM, more ...func(*hubspot.Config)) ingest.Reader {
	server := httptest.NewServer(crm)
	t.Cleanup(server.Close)
	opened, _ := connected(t, crm, append(more, func(c *hubspot.Config) { c.Hubspot.API.URL = ingest.BaseURL(server.URL) })...)
	hubspot.SetHTTP(opened, server.Client())
	return opened.Reader
}

// deal makes a deal and returns its id.
func deal(crm *hubspottest.CRM) string {
	return crm.Create("deals", "0-3", map[string]string{"dealname": "a", "amount": "12345678901234567890.10", "hs_updated_by_user_id": "5150"})
}

// Records are read with all their properties, and those that were archived, or never existed, are not there. The portal may be named by its
// id where the token is not.
func TestRead(t *testing.T) {
	for name, set := range map[string]func(*hubspot.Config){
		"a named portal":    func(*hubspot.Config) {},
		"an unnamed portal": func(c *hubspot.Config) { c.Hubspot.Portals, c.Hubspot.Journal = nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			crm := fake()
			read := reader(t, crm, set)
			id, gone := deal(crm), deal(crm)
			crm.Archive("deals", "0-3", gone)
			found, err := read.Read(t.Context(), portal, "deal", []string{id, gone, "77", "../x"})
			if err != nil || len(found.Records) != 1 || len(found.Refused) != 1 || found.Refused["../x"] == nil {
				t.Fatalf("found %+v: %v", found, err)
			}
			record := found.Records[id]
			if record.ID != id || record.ChangedBy != "5150" || time.Since(record.ModifiedAt) > time.Minute || !strings.Contains(string(record.Values), `"amount":"12345678901234567890.10"`) {
				t.Errorf("%+v %s", record, record.Values)
			}
			if found, err = read.Read(t.Context(), portal, "2-3508482", []string{"77"}); err != nil || len(found.Records)+len(found.Refused) > 0 {
				t.Errorf("of an object without records: %+v, %v", found, err)
			}
		})
	}
}

// Where a batch may name fewer records than are asked for, each half is asked for by itself; what is refused alone is refused.
func TestReadHalves(t *testing.T) {
	crm := fake()
	crm.MostIDs = 30
	read := reader(t, crm)
	var ids []string
	for range ingest.MaxRead {
		ids = append(ids, deal(crm))
	}
	found, err := read.Read(t.Context(), portal, "deal", ids)
	if err != nil || len(found.Records) != len(ids) || len(found.Refused) != 0 {
		t.Errorf("found %d, refused %v: %v", len(found.Records), found.Refused, err)
	}
	crm.Fail(hubspottest.Failure{Status: 413, Body: "<html>"})
	if found, err = read.Read(t.Context(), portal, "deal", ids[:2]); err != nil || len(found.Records) != 2 {
		t.Errorf("found %+v: %v", found, err)
	}
	crm.Fail(hubspottest.Failure{Status: 400, Body: `{"category":"VALIDATION_ERROR","message":"a fault"}`})
	if found, err = read.Read(t.Context(), portal, "deal", ids[:1]); err != nil || found.Refused[ids[0]] == nil || !strings.Contains(found.Refused[ids[0]].Error(), "a fault") {
		t.Errorf("found %+v: %v", found, err)
	}
	crm.Fail(hubspottest.Failure{Status: 207, Body: `{"results":[],"errors":[{"category":"ACCESS_DENIED","message":"not for ` + accessToken + `","context":{"ids":["` + ids[0] + `"]}}]}`})
	if found, err = read.Read(t.Context(), portal, "deal", ids[:1]); err != nil || found.Refused[ids[0]] == nil || strings.Contains(found.Refused[ids[0]].Error(), accessToken) {
		t.Errorf("found %+v: %v", found, err)
	}
}

// What no attempt changes is an ErrUnreadable that names the object and what to do. No error shows the token.
func TestReadErrors(t *testing.T) {
	for _, test := range []struct {
		name, account, module string
		noProperties          bool
		failure               hubspottest.Failure
		lasting               bool
		says                  string
	}{
		{name: "no object", module: "conversation", lasting: true, says: "records of conversation cannot be read"},
		{name: "another portal", account: "7", module: "deal", lasting: true, says: "records of portal 7 cannot be read: BRIDGE_HUBSPOT_ACCESS_TOKEN"},
		{name: "no properties", module: "contact", noProperties: true, lasting: true, says: "records of contact cannot be read: HubSpot answered 403 MISSING_SCOPES"},
		{
			name: "no right", module: "deal", failure: hubspottest.Failure{Status: 403, Body: `{"category":"MISSING_SCOPES","message":"` + accessToken + `"}`},
			lasting: true, says: "records of deal cannot be read: HubSpot answered 403 MISSING_SCOPES: ***; grant the app the scopes",
		},
		{name: "no token", module: "deal", failure: hubspottest.Failure{Status: 401, Body: `{}`}, says: "the access token of portal"},
		{name: "nonsense", module: "deal", failure: hubspottest.Failure{Status: 200, Body: `7`}, says: "not of the documented shape"},
		{name: "errors of no record", module: "deal", failure: hubspottest.Failure{Status: 207, Body: `{"errors":[{"category":"INTERNAL"}]}`}, says: "INTERNAL"},
	} {
		crm := fake()
		read := reader(t, crm)
		id := deal(crm)
		if _, err := read.Read(t.Context(), portal, "deal", []string{id}); err != nil {
			t.Fatal(err)
		}
		crm.NoProperties = test.noProperties
		if test.failure.Status != 0 {
			crm.Fail(test.failure)
		}
		account := portal
		if test.account != "" {
			account = test.account
		}
		found, err := read.Read(t.Context(), account, test.module, []string{id})
		if err == nil || errors.Is(err, ingest.ErrUnreadable) != test.lasting || !strings.Contains(err.Error(), test.says) || len(found.Records) > 0 {
			t.Errorf("%s: %+v, %v", test.name, found, err)
		}
		if err != nil && strings.Contains(err.Error(), accessToken) {
			t.Errorf("%s shows the token: %v", test.name, err)
		}
	}
}

// When the daily limit is reached, or nearly, no record is read until there may be more.
func TestReadBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		opened, _ := connected(t, crm)
		id := deal(crm)
		read := func() error {
			_, err := opened.Reader.Read(t.Context(), portal, "deal", []string{id})
			return err
		}
		spent := func(says string, wait time.Duration) {
			t.Helper()
			var spent *ingest.Spent
			if err := read(); !errors.As(err, &spent) || !strings.Contains(err.Error(), says) || time.Until(spent.Until) != wait {
				t.Errorf("%v", err)
			}
		}
		for _, crm.Left = range []int{200_000, 20_000} {
			if err := read(); err != nil {
				t.Fatal(err)
			}
		}
		spent("20000 requests are left", 5*time.Minute)
		time.Sleep(5 * time.Minute)
		crm.Left = 200_000
		if err := read(); err != nil {
			t.Fatal(err)
		}
		crm.Fail(hubspottest.Daily)
		spent("the portal's daily limit is used up", 10*time.Minute)
		crm.Fail(hubspottest.TenSecondly)
		if err := read(); err != nil { // it is waited out
			t.Fatal(err)
		}
	})
}

// While backfills read, a record that is waited for comes next. A new property is in the records of a quarter of an hour later.
func TestReadBeforeBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		opened, _ := connected(t, crm)
		since, id := time.Now(), deal(crm)
		if _, err := opened.Reader.Read(t.Context(), portal, "deal", []string{id}); err != nil {
			t.Fatal(err)
		}
		crm.Delay = 4 * time.Second // slower than searches may follow each other
		var all sync.WaitGroup
		for range 60 {
			all.Go(func() {
				if _, _, err := list(t.Context(), opened.Lister, ingest.Query{Account: portal, Module: "deal", Since: since, Until: time.Now().Add(time.Minute), Origin: ingest.Backfill}); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(30 * time.Second)
		began := time.Now()
		if _, err := opened.Reader.Read(t.Context(), portal, "deal", []string{id}); err != nil || time.Since(began) > 8*time.Second {
			t.Errorf("took %s: %v", time.Since(began), err)
		}
		all.Wait()
		crm.Delay = 0
		crm.Update("deals", "0-3", id, map[string]string{"added": "1"})
		time.Sleep(15 * time.Minute)
		found, err := opened.Reader.Read(t.Context(), portal, "deal", []string{id})
		if err != nil || !strings.Contains(string(found.Records[id].Values), `"added":"1"`) {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

// The objects whose records are kept are those that are named, or all of the journal, as events name them. What is missing is said by name.
func TestOpenRecords(t *testing.T) {
	for _, test := range []struct{ records, journal, token, want, says string }{
		{"", "deal", accessToken, "", ""},
		{"0-1,deal,contact,2-3508482", "", accessToken, "contact deal 2-3508482", ""},
		{"all", "deal:amount,contact", accessToken, "contact deal", ""},
		{"all", "", accessToken, "", `BRIDGE_HUBSPOT_RECORDS: "all" stands for the modules of BRIDGE_HUBSPOT_JOURNAL`},
		{"Deals", "", accessToken, "", "BRIDGE_HUBSPOT_RECORDS: Deals is not an object"},
		{"deal", "", "", "", "BRIDGE_HUBSPOT_ACCESS_TOKEN must be set beside BRIDGE_HUBSPOT_RECORDS"},
	} {
		s := setup(func(c *hubspot.Config) {
			c.Hubspot.ClientID, c.Hubspot.ClientSecret, c.Hubspot.Portals = "app-client-id", ingest.SecretList{secret}, ingest.AccountIDs{portal}
			if test.token != "" {
				c.Hubspot.AccessToken = hubspot.AccessTokens{"": test.token}
			}
			if err := c.Hubspot.Records.Decode(test.records); err != nil {
				t.Fatal(err)
			}
			if test.journal != "" {
				if err := c.Hubspot.Journal.Decode(test.journal); err != nil {
					t.Fatal(err)
				}
			}
		})
		s.State = ingesttest.State()
		crm, err := hubspot.Open(s)
		if test.says != "" {
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		if err != nil || !slices.Equal(crm.KeptModules, strings.Fields(test.want)) || crm.Reader == nil {
			t.Errorf("%+v: %v, %v", test, crm, err)
		}
	}
}
