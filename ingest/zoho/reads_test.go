package zoho_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// served returns channels of a Zoho CRM that is reached over HTTP.
func served(t *testing.T, crm *zohotest.CRM, version zoho.Version) *zoho.Channels {
	server := httptest.NewServer(crm)
	t.Cleanup(server.Close)
	c := channels(t, crm, version, ingesttest.State(), "Deals.all")
	c.Client.HTTP, c.Client.TokenURL, c.Client.APIURL = server.Client(), server.URL+"/oauth/v2/token", server.URL
	return c
}

// manyFields makes a deal with 120 fields.
func manyFields(t *testing.T, crm *zohotest.CRM) string {
	values := map[string]any{"Amount": json.Number("12345678901234567890.10"), "$currency_symbol": "€"}
	for i := range 120 {
		values[fmt.Sprintf("Field_%03d", i)] = i
	}
	id, err := crm.Create("Deals", values)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// In every version a record is read with all its fields and every digit, and one that was deleted, or never existed, is not there.
func TestRead(t *testing.T) {
	for _, version := range everyVersion {
		t.Run(string(version), func(t *testing.T) {
			crm := newCRM()
			id, gone, narrow := manyFields(t, crm), create(t, crm, "Deals"), create(t, crm, "Deals")
			remove(t, crm, "Deals", gone)
			c := served(t, crm, version)
			found, err := c.Read(t.Context(), "default", "Deals", []string{id, gone, narrow, "77", "not-a-number"})
			if err != nil {
				t.Fatal(err)
			}
			if len(found.Records) != 2 || len(found.Refused) != 1 || found.Refused["not-a-number"] == nil {
				t.Fatalf("found %v, refused %v", found.Records, found.Refused)
			}
			record := found.Records[id]
			if record.ID != id || record.ChangedBy != "5725767000000411002" || time.Since(record.ModifiedAt) > time.Minute || record.ModifiedAt.IsZero() {
				t.Errorf("record: %+v", record)
			}
			var values map[string]json.RawMessage
			if err := json.Unmarshal(record.Values, &values); err != nil {
				t.Fatalf("%v: %s", err, record.Values)
			}
			for i := range 120 {
				if name := fmt.Sprintf("Field_%03d", i); string(values[name]) != fmt.Sprint(i) {
					t.Errorf("%s: %s", name, values[name])
				}
			}
			if string(values["id"]) != `"`+id+`"` || string(values["Amount"]) != "12345678901234567890.10" || strings.Count(string(record.Values), `"id":"`+id) != 1 {
				t.Errorf("values: %s", record.Values)
			}
			if len(crm.Requests()) > 5 { // a token, the fields, and three for 126 fields
				t.Errorf("asked: %q", crm.Requests())
			}
			if found, err := c.Read(t.Context(), "default", "Contacts", []string{id}); err != nil || len(found.Records)+len(found.Refused) != 0 {
				t.Errorf("of a module without records: %v, %v", found, err)
			}
		})
	}
}

// Where Zoho takes fewer ids than are asked for, each half is asked for by itself.
func TestReadHalves(t *testing.T) {
	crm := newCRM()
	crm.MostIDs = 30
	var ids []string
	for range ingest.MaxRead {
		ids = append(ids, create(t, crm, "Deals"))
	}
	c := served(t, crm, "v8")
	found, err := c.Read(t.Context(), "default", "Deals", ids)
	if err != nil || len(found.Records) != len(ids) || len(found.Refused) != 0 {
		t.Errorf("found %d, refused %v: %v", len(found.Records), found.Refused, err)
	}
	crm.Requests()
	crm.Fail(zohotest.Failure{Status: 414, Body: "<html>"})
	if found, err = c.Read(t.Context(), "default", "Deals", ids[:2]); err != nil || len(found.Records) != 2 {
		t.Errorf("found %v: %v", found, err)
	}
	crm.Fail(zohotest.Failure{Status: 400, Body: `{"code":"INVALID_DATA","message":"a fault"}`})
	found, err = c.Read(t.Context(), "default", "Deals", ids[:1])
	if err != nil || len(found.Records) != 0 || found.Refused[ids[0]] == nil || !strings.Contains(found.Refused[ids[0]].Error(), "INVALID_DATA: a fault") {
		t.Errorf("found %v: %v", found, err)
	}
	if got := crm.Requests(); len(got) != 4 { // the fields are known
		t.Errorf("asked: %q", got)
	}
}

// What no attempt changes is an ErrUnreadable that names the module and what to do; the rest may be tried again. None shows a secret.
func TestReadErrors(t *testing.T) {
	for _, test := range []struct {
		name    string
		module  string
		noScope bool
		failure zohotest.Failure // of the request for records
		lasting bool
		says    []string
	}{
		{name: "no such module", module: "Ghosts", lasting: true, says: []string{"records of Ghosts cannot be read", "INVALID_MODULE", "use the module's API name"}},
		{name: "no name", module: "../settings", lasting: true, says: []string{"cannot be read"}},
		{name: "fields without a scope", module: "Deals", noScope: true, lasting: true, says: []string{"records of Deals cannot be read", "ZohoCRM.settings.fields.READ"}},
		{
			name: "no scope", module: "Deals", lasting: true, says: []string{"records of Deals cannot be read", "ZohoCRM.modules.{module}.READ"},
			failure: zohotest.Failure{Status: 401, Body: `{"code":"OAUTH_SCOPE_MISMATCH","message":"1000.planted.refresh-token"}`},
		},
		{
			name: "no right", module: "Deals", lasting: true, says: []string{"records of Deals cannot be read", "the user who granted the refresh token"},
			failure: zohotest.Failure{Status: 403, Body: `{"code":"NO_PERMISSION","message":"permission denied of planted-client-secret"}`},
		},
		{
			name: "a field that cannot be read", module: "Deals", lasting: true, says: []string{"records of Deals cannot be read", "INVALID_DATA (fields)"},
			failure: zohotest.Failure{Status: 400, Body: `{"code":"INVALID_DATA","details":{"param_name":"fields"}}`},
		},
		{name: "others' records", module: "Deals", failure: zohotest.Failure{Status: 200, Body: `{"data":[{"id":"7"}]}`}, says: []string{"that were not asked for"}},
		{name: "broken", module: "Deals", failure: zohotest.ZohoBroken, says: []string{"GET Deals: answered 500 INTERNAL_ERROR"}},
		{name: "another 404", module: "Deals", failure: zohotest.Failure{Status: 404, Body: `<html>`}, says: []string{"GET Deals: answered 404"}},
		{name: "nonsense", module: "Deals", failure: zohotest.Failure{Status: 200, Body: `[]`}, says: []string{"GET Deals: answered 200"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			crm := newCRM()
			id := create(t, crm, "Deals")
			c := served(t, crm, "v8")
			c.Client.Attempts = 1
			if test.failure != (zohotest.Failure{}) {
				if _, err := c.Read(t.Context(), "default", "Deals", []string{id}); err != nil {
					t.Fatal(err)
				}
				crm.Fail(test.failure)
			}
			crm.NoScope = test.noScope
			found, err := c.Read(t.Context(), "default", test.module, []string{id})
			if err == nil || errors.Is(err, ingest.ErrUnreadable) != test.lasting || len(found.Records) != 0 {
				t.Fatalf("found %v: %v", found, err)
			}
			for _, says := range test.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%v; want %s", err, says)
				}
			}
			if strings.Contains(err.Error(), "planted") {
				t.Errorf("shows a secret: %v", err)
			}
		})
	}
}

// Below a tenth of the day's credits nothing is read, but once in five minutes to see whether there are more. A 429 that lasts is a Spent.
func TestReadBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := newCRM()
		crm.Credits = 50_000
		id := create(t, crm, "Deals")
		c := channels(t, crm, "v8", ingesttest.State(), "Deals.all")
		read := func() error {
			_, err := c.Read(t.Context(), "default", "Deals", []string{id})
			return err
		}
		spent := func() time.Time {
			t.Helper()
			crm.Requests()
			var spent *ingest.Spent
			if err := read(); !errors.As(err, &spent) || len(crm.Requests()) != 0 {
				t.Fatalf("%v", err)
			}
			return spent.Until
		}
		if err := read(); err != nil {
			t.Fatal(err)
		}
		crm.Credits = 9_000
		if err := read(); err != nil {
			t.Fatal(err)
		}
		until := spent()
		if time.Until(until) != 5*time.Minute || spent() != until {
			t.Errorf("until %s", until)
		}
		time.Sleep(5 * time.Minute)
		if err := read(); err != nil {
			t.Fatal(err)
		}
		spent()
		time.Sleep(5 * time.Minute)
		crm.Credits = 50_000
		for range 2 {
			if err := read(); err != nil {
				t.Fatal(err)
			}
		}
		c.Client.Attempts = 1
		crm.Fail(zohotest.ZohoBusy)
		var busy *ingest.Spent
		if err := read(); !errors.As(err, &busy) || time.Until(busy.Until) != time.Minute || !strings.Contains(err.Error(), "TOO_MANY_REQUESTS") {
			t.Errorf("%v", err)
		}
	})
}

// While backfills read, a record that is waited for comes next.
func TestReadBeforeBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := newCRM()
		since, id := crm.Now(), create(t, crm, "Deals")
		c := channels(t, crm, "v8", ingesttest.State(), "Deals.all")
		crm.Delay = time.Second
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				changed(t, c, ingest.Query{Module: "Deals", Since: since, Until: crm.Now().Add(time.Second), Origin: ingest.Backfill})
			})
		}
		time.Sleep(4500 * time.Millisecond)
		began := time.Now()
		if _, err := c.Read(t.Context(), "default", "Deals", []string{id}); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 3*time.Second { // the fields, the call before, and its own
			t.Errorf("took %s", took)
		}
		all.Wait()
	})
}

// A field that was added to a module is in its records a quarter of an hour later.
func TestReadNewField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := newCRM()
		id := create(t, crm, "Deals")
		c := channels(t, crm, "v8", ingesttest.State(), "Deals.all")
		has := func() bool {
			found, err := c.Read(t.Context(), "default", "Deals", []string{id})
			if err != nil {
				t.Fatal(err)
			}
			return strings.Contains(string(found.Records[id].Values), `"Added":1`)
		}
		has()
		if err := crm.Update("Deals", id, map[string]any{"Added": 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Minute)
		if !has() {
			t.Error("the field is missing")
		}
	})
}
