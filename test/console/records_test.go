package console

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// clickLink clicks a link by its text.
func clickLink(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(`//main//a[normalize-space()=`+quoted(text)+`]`, chromedp.NodeVisible)
}

// A person finds a record, sees it as it is now, what changed in each state, and the event that caused it.
func TestRecordHistory(t *testing.T) {
	t.Parallel()
	id := shared.sold(t, "followed")
	if err := within(time.Minute, "the record is kept", func() bool {
		out, err := shared.run("record", "zoho", "Deals", id)
		return err == nil && strings.Contains(out, `"Negotiation"`)
	}); err != nil {
		t.Fatal(err)
	}
	if err := shared.crm.Update("Deals", id, map[string]any{"Stage": "Closed Won"}); err != nil {
		t.Fatal(err)
	}
	if err := within(time.Minute, "the change is kept", func() bool {
		out, err := shared.run("record", "zoho", "Deals", id)
		return err == nil && strings.Contains(out, `"Closed Won"`)
	}); err != nil {
		t.Fatal(err)
	}
	w := signedIn(t, shared.bridge, desk)
	w.visit("/console/records")
	w.fill("#module", "Deals")
	w.fill("#id", id)
	w.clickOn("Find")
	w.until(`location.search.includes(` + quoted(id) + `)`)
	if now := script[string](w, `document.querySelector("[aria-label='The record now']").innerText`); !strings.Contains(now, "Closed Won") || !strings.Contains(now, "followed") {
		t.Errorf("now it is %s", now)
	}
	changed := script[[][]string](w, `[...document.querySelectorAll(".history tr")].filter(r => r.cells[0].innerText === "Stage").map(r => [r.cells[1].innerText, r.cells[2].innerText])`)
	if len(changed) != 1 || changed[0][0] != "Negotiation" || changed[0][1] != "Closed Won" {
		t.Errorf("changed: %q", changed)
	}
	w.check(t, "the history of a record")
	w.clickAt(".history a[href^='/console/event?']")
	w.shows("crm.zoho.Deals.")
}

// What customers write, scripts among it, is shown as text, on every page that shows it.
func TestScriptsAreText(t *testing.T) {
	t.Parallel()
	w := signedIn(t, shared.bridge, desk)
	stored := append(shared.eventsOf(t, shared.hostile), shared.eventsOf(t, hostileID)...)
	if len(stored) < 3 { // a repair may have listed the deal once more
		t.Fatalf("%d events", len(stored))
	}
	record := "/console/record?provider=zoho&module=Deals&id=" + shared.hostile
	pages := []string{
		record, "/console/events?subject=crm.zoho.Accounts.*", "/console/events?" + url.Values{"record": {hostileID}}.Encode(),
		"/console/record?" + url.Values{"provider": {"zoho"}, "module": {"Accounts"}, "id": {hostileID}, "account": {"default"}}.Encode(),
		"/console/record?" + url.Values{"provider": {hostileID}, "module": {hostileID}, "id": {hostileID}, "account": {hostileID}}.Encode(),
		"/console/consumer?stream=CRM&name=search", "/console/replay-new?" + url.Values{"record": {hostileID}, "subject": {hostileID}}.Encode(),
	}
	for _, one := range stored {
		pages = append(pages, "/console/event?sequence="+itoa(one.Sequence))
	}
	for _, page := range pages {
		w.visit(page)
		if strings.Contains(script[string](w, "document.title"), "taken") || script[int](w, `document.querySelectorAll("main script, main img, main [onmouseover], main [onerror]").length`) > 0 {
			t.Errorf("%s runs what a customer wrote", page)
		}
		w.check(t, page)
	}
	w.visit(record)
	w.shows(`<img src=x onerror="document.title='taken'">`)
}
