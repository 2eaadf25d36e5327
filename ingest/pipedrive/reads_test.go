package pipedrive_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive/pipedrivetest"
)

// served returns the records of a company that is reached over HTTP.
func served(t *testing.T, crm *pipedrivetest.CRM) *pipedrive.Records {
	server := httptest.NewServer(crm)
	t.Cleanup(server.Close)
	return &pipedrive.Records{Client: &pipedrive.Client{HTTP: server.Client(), URL: server.URL, Token: apiToken}}
}

// Records of every module that the API reads are found with every digit, and deleted ones are not there.
func TestRead(t *testing.T) {
	for _, module := range []string{
		"deal", "person", "organization", "activity", "product", "lead", "note", "user", "pipeline", "stage", "project", "phase", "board", "task",
	} {
		t.Run(module, func(t *testing.T) {
			crm := company()
			records := served(t, crm)
			id, gone, missing := create(t, crm, module), create(t, crm, module), "77"
			if err := crm.Delete(module, gone); err != nil {
				t.Fatal(err)
			}
			if module == "lead" {
				missing = "f3b2c1a0-0000-4000-8000-000000000077"
			}
			found, err := records.Read(t.Context(), "10203040", module, []string{id, gone, missing, "../users"})
			if module == "user" { // a user who is deactivated still exists
				delete(found.Records, gone)
			}
			if err != nil || len(found.Records) != 1 || len(found.Refused) != 1 || found.Refused["../users"] == nil {
				t.Fatalf("found %+v: %v", found, err)
			}
			record := found.Records[id]
			if record.ID != id || record.ModifiedAt.IsZero() || time.Since(record.ModifiedAt) > time.Minute || !strings.Contains(string(record.Values), `"value":12500.50`) {
				t.Errorf("%+v %s", record, record.Values)
			}
		})
	}
}

// A deal that was archived is read from the list of archived ones, which is asked for those alone that are missing.
func TestReadArchived(t *testing.T) {
	crm := company()
	records := served(t, crm)
	id, archived := create(t, crm, "deal"), create(t, crm, "deal")
	crm.Archive("deal", archived)
	found, err := records.Read(t.Context(), "", "deal", []string{id, archived})
	if err != nil || len(found.Records) != 2 {
		t.Errorf("found %+v: %v", found, err)
	}
	crm.Requests()
	if found, err = records.Read(t.Context(), "", "deal", []string{id}); err != nil || len(found.Records) != 1 {
		t.Errorf("found %+v: %v", found, err)
	}
	if got := crm.Requests(); len(got) != 1 || got[0] != "GET /api/v2/deals?ids=1&limit=100" {
		t.Errorf("asked: %q", got)
	}
}

// Where the API takes fewer ids than are asked for, each half is asked for by itself; what is refused alone is refused.
func TestReadHalves(t *testing.T) {
	crm := company()
	crm.MostIDs = 30
	records := served(t, crm)
	var ids []string
	for range ingest.MaxRead {
		ids = append(ids, create(t, crm, "person"))
	}
	found, err := records.Read(t.Context(), "", "person", ids)
	if err != nil || len(found.Records) != len(ids) || len(found.Refused) != 0 {
		t.Errorf("found %d, refused %v: %v", len(found.Records), found.Refused, err)
	}
	for _, module := range []string{"person", "note"} {
		crm.Refuse(pipedrivetest.Refusal{Status: 400, Body: `{"success":false,"error":"a fault"}`})
		if found, err = records.Read(t.Context(), "", module, ids[:1]); err != nil || found.Refused[ids[0]] == nil || !strings.Contains(found.Refused[ids[0]].Error(), "a fault") {
			t.Errorf("%s: found %+v: %v", module, found, err)
		}
	}
}

// What no attempt changes is an ErrUnreadable that names the module and what to do. No error shows the token.
func TestReadErrors(t *testing.T) {
	for _, test := range []struct {
		name, account, module string
		refusals              []pipedrivetest.Refusal
		lasting               bool
		says                  string
	}{
		{name: "no call", module: "deal_product", lasting: true, says: "records of deal_product cannot be read"},
		{name: "no module", module: "../users", lasting: true, says: "cannot be read"},
		{
			name: "no right", module: "deal", lasting: true, says: "records of deal cannot be read: pipedrive: GET api/v2/deals: answered 403 no access for ***; the API token's user",
			refusals: []pipedrivetest.Refusal{{Status: 403, Body: `{"success":false,"error":"no access for ` + apiToken + `"}`}},
		},
		{
			name: "not paid", module: "project", lasting: true, says: "records of project cannot be read",
			refusals: []pipedrivetest.Refusal{{Status: 402, Body: `{"success":false,"error":"the plan has none"}`}},
		},
		{name: "another company", account: "7", module: "deal", says: "is of company 10203040, not 7"},
		{name: "no list", module: "deal", refusals: []pipedrivetest.Refusal{{Status: 404, Body: `{}`}}, says: "answered 404"},
		{name: "others' records", module: "deal", refusals: []pipedrivetest.Refusal{{Status: 200, Body: `{"success":true,"data":[{"id":7}]}`}}, says: "that were not asked for"},
		{name: "nonsense", module: "deal", refusals: []pipedrivetest.Refusal{{Status: 200, Body: `{"success":true,"data":7}`}}, says: "not of the documented shape"},
	} {
		crm := company()
		records := served(t, crm)
		id := create(t, crm, "deal")
		if _, err := records.Read(t.Context(), "", "deal", []string{id}); err != nil {
			t.Fatal(err)
		}
		crm.Refuse(test.refusals...)
		found, err := records.Read(t.Context(), test.account, test.module, []string{id})
		if err == nil || errors.Is(err, ingest.ErrUnreadable) != test.lasting || !strings.Contains(err.Error(), test.says) || len(found.Records) > 0 {
			t.Errorf("%s: %+v, %v", test.name, found, err)
		}
		if err != nil && strings.Contains(err.Error(), apiToken) {
			t.Errorf("%s shows the token: %v", test.name, err)
		}
	}
}

// When the daily budget is used up, or nearly, no record is read until it may be there again.
func TestReadBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := company()
		records := &pipedrive.Records{Client: clientOf(crm)}
		id := create(t, crm, "deal")
		read := func() error {
			_, err := records.Read(t.Context(), "", "deal", []string{id})
			return err
		}
		spent := func(says string, wait time.Duration) {
			t.Helper()
			var spent *ingest.Spent
			if err := read(); !errors.As(err, &spent) || !strings.Contains(err.Error(), says) || time.Until(spent.Until) != wait {
				t.Errorf("%v", err)
			}
		}
		for _, crm.Left = range []int{30_000, 2_000} {
			if err := read(); err != nil {
				t.Fatal(err)
			}
		}
		spent("2000 API tokens of the company are left", 5*time.Minute)
		time.Sleep(5 * time.Minute)
		crm.Left = 30_000
		if err := read(); err != nil {
			t.Fatal(err)
		}
		crm.Left = 0
		crm.Refuse(pipedrivetest.Daily)
		for range 2 {
			spent("accepts no more calls", 10*time.Minute)
		}
		time.Sleep(10 * time.Minute)
		crm.Refuse(pipedrivetest.TooMany)
		if err := read(); err != nil { // it is waited out
			t.Fatal(err)
		}
	})
}

// While backfills read, a record that is waited for comes next.
func TestReadBeforeBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := company()
		records, since := &pipedrive.Records{Client: clientOf(crm)}, time.Now()
		id := create(t, crm, "deal")
		if _, err := records.Read(t.Context(), "", "deal", []string{id}); err != nil {
			t.Fatal(err)
		}
		crm.Delay = time.Second
		var all sync.WaitGroup
		for range 60 {
			all.Go(func() {
				for _, err := range records.Changed(t.Context(), ingest.Query{Module: "deal", Since: since, Until: time.Now(), Origin: ingest.Backfill}) {
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(4500 * time.Millisecond)
		began := time.Now()
		if _, err := records.Read(t.Context(), "", "deal", []string{id}); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("took %s: %v", time.Since(began), err)
		}
		all.Wait()
	})
}

// The modules whose records are kept are those that are named, or all that are subscribed and can be read. What is missing is said by name.
func TestOpenRecords(t *testing.T) {
	for _, test := range []struct{ records, events, token, want, says string }{
		{"", "all", apiToken, "", ""},
		{"person,deal", "", apiToken, "person deal", ""},
		{"all", "deal.all,deal_product.all,note.create", apiToken, "deal note", ""},
		{"all", "", apiToken, "", `BRIDGE_PIPEDRIVE_RECORDS: "all" stands for the modules of BRIDGE_PIPEDRIVE_EVENTS`},
		{"deal_product", "", apiToken, "", "BRIDGE_PIPEDRIVE_RECORDS: the API does not read records of deal_product; it reads deal, person"},
		{"deal", "", "", "", "BRIDGE_PIPEDRIVE_API_TOKEN must be set beside BRIDGE_PIPEDRIVE_RECORDS"},
	} {
		crm, err := pipedrive.Open(configured(t, ingesttest.State(), "https://crm.example", func(c *pipedrive.Config) {
			c.Pipedrive.Password, c.Pipedrive.API.Token = ingest.SecretList{password}, test.token
			if err := c.Pipedrive.Records.Decode(test.records); err != nil {
				t.Fatal(err)
			}
			if test.events != "" {
				if err := c.Pipedrive.Events.Decode(test.events); err != nil {
					t.Fatal(err)
				}
			}
		}))
		if test.says != "" {
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		if err != nil || strings.Join(crm.KeptModules, " ") != test.want || crm.Reader == nil {
			t.Errorf("%+v: %v, %v", test, crm, err)
		}
	}
}
