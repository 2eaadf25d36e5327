package zoho_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

func create(t testing.TB, crm *zohotest.CRM, module string) string {
	t.Helper()
	id, err := crm.Create(module, map[string]any{"Name": "n", "Amount": json.Number("12345678901234567890.10")})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func edit(t testing.TB, crm *zohotest.CRM, module, id string) {
	t.Helper()
	if err := crm.Update(module, id, map[string]any{"Name": "m"}); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, crm *zohotest.CRM, module, id string) {
	t.Helper()
	if err := crm.Delete(module, id); err != nil {
		t.Fatal(err)
	}
}

// changed gathers what is listed: "operation id" and how often.
func changed(t testing.TB, c *zoho.Channels, q ingest.Query) map[string]int {
	t.Helper()
	found := map[string]int{}
	for page, err := range c.Changed(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range page.Changes {
			found[change.Operation+" "+change.IDs[0]]++
		}
	}
	return found
}

// What was made, edited and deleted from Since up to, and without, Until is listed in every version, whichever way
// Zoho reads If-Modified-Since, with and without the scope to ask for the fields.
func TestChanged(t *testing.T) {
	for i, version := range everyVersion {
		t.Run(string(version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				crm, state := newCRM(), ingesttest.State()
				crm.After, crm.NoScope = i%2 == 0, i%3 == 0
				before, deletedBefore := create(t, crm, "Deals"), create(t, crm, "Deals")
				time.Sleep(time.Hour)
				remove(t, crm, "Deals", deletedBefore)
				edit(t, crm, "Deals", before)
				time.Sleep(time.Second)
				since := crm.Now()
				made, gone := create(t, crm, "Deals"), create(t, crm, "Deals")
				time.Sleep(time.Hour)
				hiddenCreate, hiddenEdit := create(t, crm, "Deals"), before
				remove(t, crm, "Deals", gone)
				time.Sleep(time.Hour - time.Second)
				atTheEnd := create(t, crm, "Deals")
				time.Sleep(time.Second)
				until := crm.Now()
				after := create(t, crm, "Deals")
				edit(t, crm, "Deals", hiddenCreate)
				edit(t, crm, "Deals", hiddenEdit)
				create(t, crm, "Contacts")
				remove(t, crm, "Deals", after)

				c := channels(t, crm, version, state, "Deals.all")
				q := ingest.Query{Module: "Deals", Since: since, Until: until, Origin: ingest.Backfill}
				want := map[string]int{"create " + made: 1, "create " + hiddenCreate: 1, "create " + atTheEnd: 1, "delete " + gone: 1}
				if got := changed(t, c, q); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("backfill: %v, want %v", got, want)
				}
				q.Origin, want["edit "+hiddenEdit] = ingest.Repair, 1
				if got := changed(t, c, q); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("repair: %v, want %v", got, want)
				}
				if got := changed(t, c, ingest.Query{Module: "Leads", Since: since, Until: until, Origin: ingest.Backfill}); len(got) > 0 {
					t.Errorf("an empty module: %v", got)
				}
				if got := changed(t, c, ingest.Query{Module: "Deals", Since: crm.Now().Add(time.Hour), Until: crm.Now().Add(2 * time.Hour), Origin: ingest.Backfill}); len(got) > 0 {
					t.Errorf("nothing newer: %v", got)
				}
			})
		})
	}
}

// What is listed becomes events that fit their schema, and no number in them changes.
func TestRecordsBecomeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		since := crm.Now()
		id := create(t, crm, "Deals")
		time.Sleep(time.Minute)
		remove(t, crm, "Deals", create(t, crm, "Deals"))
		c := channels(t, crm, "v8", state, "Deals.all")
		set, err := schemas.Load()
		if err != nil {
			t.Fatal(err)
		}
		m := &transform.Mapping{Schemas: set, Redact: transform.NewRedactor(map[string]ingest.Secrets{zoho.RecordsLabel: c.RecordsSecrets()})}
		ids := map[string]bool{}
		for range 2 {
			for page, err := range c.Changed(t.Context(), ingest.Query{Module: "Deals", Since: since, Until: crm.Now().Add(time.Second), Origin: ingest.Repair}) {
				if err != nil {
					t.Fatal(err)
				}
				for _, change := range page.Changes {
					events, err := m.Events(change)
					if err != nil || len(events) != 1 {
						t.Fatalf("%d events: %v", len(events), err)
					}
					e := events[0]
					ids[e.ID] = true
					if e.Source != "https://api.example/crm/v8/Deals" || e.Extension("crmorigin") != "repair" || e.Extension("crmaccount") != "default" {
						t.Errorf("event: %s", e.AppendJSON(nil))
					}
					if change.IDs[0] == id && (e.Type != "crm.zoho.Deals.create" || !strings.Contains(string(e.Data), `"Amount":12345678901234567890.10`)) {
						t.Errorf("event: %s", e.AppendJSON(nil))
					}
				}
			}
		}
		if len(ids) != 2 {
			t.Errorf("listed twice, two changes have %d ids", len(ids))
		}
	})
}

// Thousands of records are listed, also those of one second, past the reach of page numbers, with tokens that expire
// on the way, and from any cursor.
func TestChangedPages(t *testing.T) {
	for _, version := range []zoho.Version{"v2", "v2.1", "v8"} {
		t.Run(string(version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				crm, state := newCRM(), ingesttest.State()
				since, all := crm.Now(), map[string]bool{}
				for second := range 5 {
					for range []int{30, 450, 2700, 1, 700}[second] {
						all[create(t, crm, "Deals")] = true
					}
					time.Sleep(time.Second)
				}
				for range 450 {
					id := create(t, crm, "Deals")
					remove(t, crm, "Deals", id)
					all[id] = true
				}
				time.Sleep(time.Second)
				q := ingest.Query{Module: "Deals", Since: since, Until: crm.Now(), Origin: ingest.Backfill}
				pages, largest := 0, 0
				got := map[string]bool{}
				for resumes := 0; ; resumes++ {
					ended := true
					for page, err := range channels(t, crm, version, state, "Deals.all").Changed(t.Context(), q) {
						if err != nil {
							t.Fatal(err)
						}
						for _, change := range page.Changes {
							got[change.IDs[0]] = true
						}
						largest, q.Cursor = max(largest, len(page.Changes)), page.Cursor
						if pages++; pages%7 == 0 {
							ended = false
							break // the process ends, and another goes on
						}
						if pages == 16 {
							crm.ExpirePages()
						}
					}
					if ended {
						break
					}
				}
				if len(got) != len(all) {
					t.Errorf("listed %d of %d in %d pages", len(got), len(all), pages)
				}
				if largest > 200 || pages > 80 {
					t.Errorf("%d pages, the largest of %d", pages, largest)
				}
			})
		})
	}
}

// A record that is edited or deleted while the list is read moves no other one out of sight.
func TestChangedWhileItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		since := crm.Now()
		var ids []string
		for range 900 {
			ids = append(ids, create(t, crm, "Deals"))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		q := ingest.Query{Module: "Deals", Since: since, Until: crm.Now(), Origin: ingest.Repair}
		got, touched := map[string]bool{}, 0
		for page, err := range channels(t, crm, "v8", state, "Deals.all").Changed(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			for _, change := range page.Changes {
				got[change.IDs[0]] = true
			}
			for range 20 {
				if touched < 120 {
					edit(t, crm, "Deals", ids[touched])
					remove(t, crm, "Deals", ids[touched+1])
					touched += 2
				}
			}
			time.Sleep(time.Second)
		}
		for _, id := range ids {
			if !got[id] {
				t.Errorf("%s was not listed", id)
			}
		}
	})
}

// A refusal, a cursor of something else and an end of the context are errors, and none is silent.
func TestChangedErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		first := func(ctx context.Context, q ingest.Query) error {
			for _, err := range channels(t, crm, "v8", state, "Deals.all").Changed(ctx, q) {
				return err
			}
			return nil
		}
		q := ingest.Query{Module: "Ghosts", Since: crm.Now(), Until: crm.Now().Add(time.Hour), Origin: ingest.Backfill}
		if err := first(t.Context(), q); err == nil || !strings.Contains(err.Error(), "INVALID_MODULE") {
			t.Errorf("an unknown module: %v", err)
		}
		if q.Module, q.Cursor = "Deals", "planted"; first(t.Context(), q) == nil || strings.Contains(first(t.Context(), q).Error(), "planted") {
			t.Error("took a cursor of something else")
		}
		q.Cursor = ""
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if first(ended, q) == nil {
			t.Error("went on after the end")
		}
		if first(t.Context(), ingest.Query{Module: "Deals", Since: crm.Now()}) == nil {
			t.Error("took a span without an end")
		}
		q.Module = "../settings"
		if first(t.Context(), q) == nil {
			t.Error("took a path for a module")
		}
	})
}

// Below a tenth of the day's credits the list is read slowly.
func TestScarceCredits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		since := crm.Now()
		for range 1000 {
			create(t, crm, "Deals")
		}
		c := channels(t, crm, "v8", state, "Deals.all")
		q := ingest.Query{Module: "Deals", Since: since, Until: crm.Now().Add(time.Second), Origin: ingest.Backfill}
		crm.Credits = 50_000
		begin := time.Now()
		changed(t, c, q)
		if took := time.Since(begin); took > time.Second || crm.Credits >= 50_000 {
			t.Errorf("with half of the credits it took %s, %d left", took, crm.Credits)
		}
		crm.Credits, begin = 9_000, time.Now()
		changed(t, c, q)
		if took := time.Since(begin); took < 30*time.Second {
			t.Errorf("with a few credits it took %s", took)
		}
	})
}
