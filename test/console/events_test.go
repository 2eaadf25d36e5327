package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// rows are the cells of each row of the list of stored events.
const rows = `[...document.querySelectorAll("main h2 ~ .card tbody tr")].map(r => [...r.cells].map(c => c.innerText.trim()))`

// sold returns a new deal whose events and states nobody else changes.
func (d *day) sold(t *testing.T, name string) (id string) {
	t.Helper()
	id, err := d.crm.Create("Deals", map[string]any{"Deal_Name": name, "Amount": 100, "Stage": "Qualification"})
	if err == nil {
		err = d.crm.Update("Deals", id, map[string]any{"Stage": "Negotiation"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// storedEvent is an event as tail prints it.
type storedEvent struct {
	Subject  string
	Sequence uint64
	Event    struct{ ID, Subject, Crmoperation string }
}

// eventsOf returns the stored events of a record, oldest first.
func (b *bridge) eventsOf(t *testing.T, id string) (all []storedEvent) {
	t.Helper()
	out, err := b.run("replay", "--record", id, "--to", "stdout")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		var one storedEvent
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// A person finds events by each of the fields of the search, opens one, and goes on to its record.
func TestSearchEvents(t *testing.T) {
	t.Parallel()
	id := shared.sold(t, "searched for")
	stored := shared.eventsOf(t, id)
	if len(stored) != 2 {
		t.Fatalf("%d events", len(stored))
	}
	w := signedIn(t, shared.bridge, desk)
	for _, search := range []struct {
		field, value string
		want         []uint64 // sequences; nil: none of the record's
	}{
		{"#record", id, []uint64{stored[1].Sequence, stored[0].Sequence}}, {"#event", stored[0].Event.ID, []uint64{stored[0].Sequence}},
	} {
		w.visit("/console/events")
		w.fill(search.field, search.value)
		w.clickOn("Search")
		w.until(`location.search.includes(` + quoted(search.value) + `)`)
		var got []string
		for _, row := range script[[][]string](w, rows) {
			got = append(got, row[0])
		}
		if fmt.Sprint(got) != fmt.Sprint(search.want) {
			t.Errorf("%s found %v, not %v", search.field, got, search.want)
		}
		w.check(t, "found by "+search.field)
	}
	w.visit("/console/events")
	w.fill("#subject", "crm.zoho.Deals.create")
	w.fill("#record", id)
	w.choose("#order", "oldest")
	w.clickOn("Search")
	w.until(`location.search.includes("oldest")`)
	if found := script[[][]string](w, rows); len(found) != 1 || found[0][2] != "crm.zoho.Deals.create" || found[0][3] != id {
		t.Errorf("found %v", found)
	}
	w.clickAt("tbody a[href^='/console/event?']")
	w.shows(stored[0].Event.ID)
	w.shows(`"Deals"`)
	w.shows("billing")
	w.clickOn("Copy the event as JSON")
	w.until(`["Copied", "Selected"].includes(document.querySelector("[data-copy]").textContent)`)
	w.do(clickLink(id))
	w.until(`location.pathname === "/console/record"`)
	for _, fault := range w.found() {
		t.Error(fault)
	}
}

// A search that cannot be made says why, and keeps what was written.
func TestWrongSearch(t *testing.T) {
	t.Parallel()
	w := signedIn(t, shared.bridge, phone)
	for _, search := range []url.Values{{"subject": {"crm.zoho.>.edit"}}, {"since": {"yesterday"}}, {"until": {`"><script>`}}, {"subject": {hostile}}} {
		for name, values := range search {
			w.visit("/console/events?" + search.Encode())
			if problem := script[string](w, `document.querySelector(".problem")?.innerText ?? ""`); problem == "" {
				t.Errorf("%s shows %s", search, w.text())
			}
			if kept := script[string](w, `document.getElementById(`+quoted(name)+`).value`); kept != values[0] {
				t.Errorf("of %q stays %q", values[0], kept)
			}
		}
		w.expect("400")
		w.check(t, search.Encode())
	}
}

// Live events appear as they are stored, newest first, until a person stops them.
func TestLiveEvents(t *testing.T) {
	t.Parallel()
	id := shared.sold(t, "watched")
	w := signedIn(t, shared.bridge, desk)
	w.visit("/console/events?subject=crm.zoho.Deals.edit&record=" + id)
	w.clickAt("#live-button")
	w.shows("Waiting for events.")
	for i := range 2 {
		if err := shared.crm.Update("Deals", id, map[string]any{"Amount": 200 + i}); err != nil {
			t.Fatal(err)
		}
		w.until(fmt.Sprintf(`document.querySelectorAll("[data-stream] tr").length === %d`, i+1))
	}
	first := script[[]string](w, `[...document.querySelectorAll("[data-stream] tr")].map(r => r.cells[0].innerText.trim())`)
	if stored := shared.eventsOf(t, id); first[0] != fmt.Sprint(stored[len(stored)-1].Sequence) {
		t.Errorf("first is %v; stored are %v", first, stored)
	}
	w.check(t, "live events")
	w.clickAt("#live-button")
	w.shows("Stopped.")
	if err := shared.crm.Update("Deals", id, map[string]any{"Amount": 300}); err != nil {
		t.Fatal(err)
	}
	w.visit("/console/events?record=" + id)
	w.shows("crm.zoho.Deals.edit")
}
