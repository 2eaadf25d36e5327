package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// waiting returns the ids of the callbacks in quarantine, oldest first, and the reason of each.
func (b *bridge) waiting(t *testing.T) (ids []string, reasons map[string]string) {
	t.Helper()
	out, err := b.run("quarantine", "list", "--json")
	if err != nil {
		t.Fatal(err)
	}
	reasons = map[string]string{}
	for line := range strings.Lines(out) {
		var one struct{ ID, Reason string }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		ids, reasons[one.ID] = append(ids, one.ID), one.Reason
	}
	return ids, reasons
}

// unnamed posts a webhook whose parameter id has a merge field that was not replaced, and the record's id in another parameter. It
// returns its id in quarantine.
func (d *day) unnamed(t *testing.T, id string) string {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(d.dir, "data", "zoho-webhook-secret"))
	if err != nil {
		t.Fatal(err)
	}
	status, text := ask(t, "POST", d.Callbacks+"/zoho/webhooks/Deals/edit", url.Values{"id": {"${Deals.Deal Id}"}, "deal_reference": {id}}, "X-Webhook-Secret", strings.TrimSpace(string(secret)))
	var kept struct{ QuarantineID string }
	if err := json.Unmarshal([]byte(text), &kept); err != nil || status != 400 || kept.QuarantineID == "" {
		t.Fatalf("answered %d %s", status, text)
	}
	return kept.QuarantineID
}

// A person looks at a callback that could not be parsed, as text; redrives it once the bridge can parse it, having seen what it would
// become; and drops another for good.
func TestSettleQuarantine(t *testing.T) {
	t.Parallel()
	d := ownDay(t)
	id := d.unnamed(t, "6172731000000990001")
	w := signedIn(t, d.bridge, desk)
	w.expect("502")
	w.expect("400")
	w.visit("/console/quarantine/callback?id=" + id)
	w.shows("deal_reference")
	w.check(t, "a callback")
	w.clickOn("Redrive")
	w.shows("stays in quarantine")
	if err := d.restart("BRIDGE_ZOHO_WEBHOOK_ID_PARAMS=deal_reference"); err != nil {
		t.Fatal(err)
	}
	w = signedIn(t, d.bridge, desk)
	w.visit("/console/quarantine/callback?id=" + id)
	if done := w.confirms(t, "Redrive", "Redrive", "1 published on crm.zoho.Deals.edit"); !strings.Contains(done, id) || !strings.Contains(done, "crm.zoho.Deals.edit") {
		t.Errorf("it says %q", done)
	}
	if stored := d.eventsOf(t, "6172731000000990001"); len(stored) != 1 {
		t.Errorf("%d events were published", len(stored))
	}
	before, _ := d.waiting(t)
	if strings.Contains(strings.Join(before, " "), id) {
		t.Error("it still waits")
	}
	w.visit("/console/quarantine/callback?id=" + before[0])
	w.declines("Drop")
	if done := w.confirms(t, "Drop", "Drop", "cannot be undone", before[0]); !strings.Contains(done, "Dropped "+before[0]) {
		t.Errorf("it says %q", done)
	}
	if after, _ := d.waiting(t); strings.Contains(strings.Join(after, " "), before[0]) || len(after) != len(before)-1 {
		t.Errorf("%v wait after a drop, %v before", after, before)
	}
	w.expect("404")
	if status := w.visit("/console/quarantine/callback?id=" + before[0]); status != 404 {
		t.Errorf("what was dropped is answered with %d", status)
	}
}

// Hostile bodies, names and reasons in quarantine are text.
func TestQuarantineIsText(t *testing.T) {
	t.Parallel()
	w := signedIn(t, shared.bridge, phone)
	ids, _ := shared.waiting(t)
	shown := false
	for _, id := range ids {
		w.visit("/console/quarantine/callback?id=" + id)
		shown = shown || strings.Contains(w.text(), "<script>document.title=")
		if strings.Contains(script[string](w, "document.title"), "taken") || script[int](w, `document.querySelectorAll("main script, main img").length`) > 0 {
			t.Errorf("%s runs what a stranger wrote", id)
		}
		w.check(t, "the callback "+id)
	}
	if !shown {
		t.Error("no callback with a script was shown")
	}
}

// A person settles all of a source at once: redriving says of each what became of it, dropping is asked about as permanent.
func TestSettleAll(t *testing.T) {
	t.Parallel()
	d := ownDay(t)
	for i := range 3 {
		d.unnamed(t, fmt.Sprintf("617273100000099010%d", i))
	}
	if err := d.restart("BRIDGE_ZOHO_WEBHOOK_ID_PARAMS=deal_reference"); err != nil {
		t.Fatal(err)
	}
	w := signedIn(t, d.bridge, desk)
	w.visit("/console/quarantine")
	w.choose("#source", "zoho-webhooks")
	w.clickOn("Show")
	w.until(`location.search.includes("zoho-webhooks")`)
	w.confirms(t, "Redrive all of these", "Redrive all of these", "Redrive 3", "3 published on crm.zoho.Deals.edit")
	w.shows("published on crm.zoho.Deals.edit")
	for i := range 3 {
		if stored := d.eventsOf(t, fmt.Sprintf("617273100000099010%d", i)); len(stored) != 1 {
			t.Errorf("of callback %d there are %d events", i, len(stored))
		}
	}
	w.visit("/console/quarantine")
	w.confirms(t, "Drop all of these", "Drop all of these", "cannot be undone")
	if left, _ := d.waiting(t); len(left) > 0 {
		t.Errorf("%v still wait", left)
	}
	w.visit("/console/quarantine")
	w.shows("Nothing waits.")
	w.check(t, "an empty quarantine")
}
