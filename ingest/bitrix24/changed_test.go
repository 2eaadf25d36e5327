package bitrix24_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24/bitrix24test"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

// listed is what Changed yields.
func listed(t *testing.T, w *world, query ingest.Query) (pages []ingest.Page, err error) {
	t.Helper()
	if query.Origin == "" {
		query.Origin = ingest.Backfill
	}
	for page, err := range w.app.Changed(t.Context(), query) {
		if err != nil {
			return pages, err
		}
		pages = append(pages, page)
	}
	return pages, nil
}

func changesOf(pages []ingest.Page) []ingest.Change {
	var all []ingest.Change
	for _, page := range pages {
		all = append(all, page.Changes...)
	}
	return all
}

func idsOf(changes []ingest.Change) []string {
	ids := make([]string, 0, len(changes))
	for _, change := range changes {
		ids = append(ids, change.IDs...)
	}
	return ids
}

// Every record that was modified inside the span is listed, from its first second up to its last and without it; made
// inside it is a create, else an edit; each in pages of fifty at most.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		for i := range 130 {
			w.portal.Put(2, i+1, nil)
		}
		time.Sleep(time.Hour)
		since := time.Now()
		for i := 20; i < 130; i++ {
			w.portal.Put(2, i+1, map[string]any{"title": fmt.Sprint("Deal ", i+1)})
		}
		w.portal.Put(2, 131, nil)
		time.Sleep(time.Hour)
		until := time.Now()
		w.portal.Put(2, 3, nil)

		pages, err := listed(t, w, ingest.Query{Module: "Deal", Since: since, Until: until})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := 21; i <= 131; i++ {
			want = append(want, strconv.Itoa(i))
		}
		changes := changesOf(pages)
		if diff := cmp.Diff(want, idsOf(changes)); diff != "" || len(pages) != 3 || len(pages[0].Changes) != 50 {
			t.Errorf("%d pages, %s", len(pages), diff)
		}
		if changes[0].Operation != "edit" || changes[len(changes)-1].Operation != "create" {
			t.Errorf("%s, %s", changes[0].Operation, changes[len(changes)-1].Operation)
		}
		if pages, err := listed(t, w, ingest.Query{Module: "deal"}); err != nil || len(changesOf(pages)) != 131 {
			t.Errorf("without a span: %d, %v", len(changesOf(pages)), err)
		}
	})
}

// A change of a record is a valid event of the record as it is, under an id that a second run repeats, and that another
// modification does not.
func TestChangedMakesEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		w.portal.Put(2, 7, map[string]any{"title": "A <deal>", "token": "a customer's own", "opportunity": json.RawMessage("12345678901234567890.10")})
		w.portal.Put(bitrix24test.ActivityType, 8, map[string]any{"subject": "A call"})
		w.portal.Put(1032, 9, nil)
		w.portal.Put(128, 9, nil)
		w.portal.Put(31, 9, nil)
		ids := map[string]bool{}
		set, err := schemas.Load()
		if err != nil {
			t.Fatal(err)
		}
		m := &transform.Mapping{Schemas: set, Redact: transform.NewRedactor(map[string]ingest.Secrets{bitrix24.RecordsLabel: w.app.RecordsSecrets()})}
		run := func() {
			for module, want := range map[string]string{
				"Deal": "crm.bitrix24.Deal.create", "Activity": "crm.bitrix24.Activity.create", "SmartInvoice": "crm.bitrix24.DynamicItem.create",
				"DynamicItem_1032": "crm.bitrix24.DynamicItem.create", "128": "crm.bitrix24.DynamicItem.create",
			} {
				pages, err := listed(t, w, ingest.Query{Module: module})
				if err != nil || len(changesOf(pages)) != 1 {
					t.Fatalf("%s: %v, %v", module, pages, err)
				}
				change := changesOf(pages)[0]
				events, err := m.Events(change)
				if err != nil || events[0].Type != want || events[0].Extension("crmorigin") != "backfill" {
					t.Fatalf("%s: %v, %v", module, events, err)
				}
				if data := string(events[0].Data); module == "Deal" && (!strings.Contains(data, "12345678901234567890.10") || strings.Count(data, "a customer's own") != 2) {
					t.Errorf("the record has changed: %s", data)
				}
				if !json.Valid(change.Values[change.IDs[0]]) || change.OccurredAt.IsZero() || change.ChangedBy != "1" || change.Account != member {
					t.Errorf("%+v", change)
				}
				ids[events[0].ID] = true
			}
		}
		run()
		run()
		if len(ids) != 5 {
			t.Errorf("%d ids of 5 changes", len(ids))
		}
		time.Sleep(time.Second)
		w.portal.Put(2, 7, nil)
		run()
		if len(ids) != 6 {
			t.Errorf("%d ids of 6 changes", len(ids))
		}
	})
}

// DynamicItem alone is every smart process of the portal, and its invoices.
func TestChangedInAllSmartProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		for i, entityType := range []int{31, 128, 1032} {
			w.portal.Put(entityType, 10+i, nil)
		}
		pages, err := listed(t, w, ingest.Query{Module: "DynamicItem"})
		if diff := cmp.Diff([]string{"10", "11", "12"}, idsOf(changesOf(pages))); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}

// A list that was broken off goes on behind the last page that was made safe, in another process too, and misses nothing.
func TestChangedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		for i := range 260 {
			w.portal.Put([]int{31, 1032}[i%2], i+1, nil)
		}
		w.crm.Portal("010b6886ebc205e43ae65000ee00addb")
		var got []string
		cursor := ""
		for range 100 {
			more := false
			for page, err := range w.replica(t, "", false).Changed(t.Context(), ingest.Query{Module: "DynamicItem", Cursor: cursor}) {
				if err != nil {
					t.Fatal(err)
				}
				got, cursor, more = append(got, idsOf(page.Changes)...), page.Cursor, true
				break
			}
			if !more {
				break
			}
		}
		slices.Sort(got)
		if whole := len(got); whole != 260 || len(slices.Compact(got)) != 260 {
			t.Errorf("%d records, %d different ones", whole, len(slices.Compact(got)))
		}
		for _, cursor := range []string{"x", "/", "1", member + "/2/7", member + "/31/x", "another/31/7"} {
			if _, err := listed(t, w, ingest.Query{Module: "DynamicItem", Cursor: cursor}); err == nil || !strings.Contains(err.Error(), "cursor") {
				t.Errorf("cursor %q: %v", cursor, err)
			}
		}
	})
}

// Records that are modified while they are listed are neither missed nor listed twice, unless their modification has left
// the span, where live events tell of it.
func TestModifiedWhileListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		for i := range 150 {
			w.portal.Put(2, i+1, nil)
		}
		seen := map[string]int{}
		for page, err := range w.app.Changed(t.Context(), ingest.Query{Module: "Deal", Until: time.Now().Add(time.Hour)}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range idsOf(page.Changes) {
				seen[id]++
			}
			time.Sleep(time.Second)
			for _, id := range []int{1, 60, 149} {
				w.portal.Put(2, id, nil)
			}
			w.portal.Delete(2, 10)
		}
		if diff := cmp.Diff(numbered(150), seen); diff != "" {
			t.Error(diff)
		}
	})
}

// A portal that asks for patience is given it; one that answers with something else ends the list with an error.
func TestChangedAndTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		for i := range 120 {
			w.portal.Put(2, i+1, nil)
		}
		time.Sleep(2 * time.Hour) // the access token has expired
		w.crm.Refuse("crm.item.list", 2, 503, "QUERY_LIMIT_EXCEEDED", "Too many requests")
		w.crm.Refuse("crm.item.list", 1, 429, "OPERATION_TIME_LIMIT", "Method is blocked")
		w.crm.Break("crm.item.list", 1)
		pages, err := listed(t, w, ingest.Query{Module: "Deal"})
		if err != nil || len(changesOf(pages)) != 120 {
			t.Errorf("%d records, %v", len(changesOf(pages)), err)
		}
		w.crm.Refuse("crm.item.list", 1, 401, "insufficient_scope", "The request requires higher privileges than provided by the access token")
		if _, err := listed(t, w, ingest.Query{Module: "Deal"}); err == nil || !strings.Contains(err.Error(), "permission crm") {
			t.Errorf("%v", err)
		}
		for _, module := range []string{"Currency", "Gadget", "", "0", "-1", "DealUserField"} {
			if _, err := listed(t, w, ingest.Query{Module: module}); !errors.Is(err, bitrix24.ErrNoList) || !errors.Is(err, ingest.ErrNoList) {
				t.Errorf("module %q: %v", module, err)
			}
		}
		w.portal.Uninstall(handler)
		if _, err := listed(t, w, ingest.Query{Module: "Deal"}); !errors.Is(err, bitrix24.ErrNotInstalled) {
			t.Errorf("%v", err)
		}
	})
}
