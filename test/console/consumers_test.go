package console

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// reader returns how a consumer of the events is, as NATS says.
func (d *day) reader(t *testing.T, name string) *jetstream.ConsumerInfo {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	consumer, err := d.stream.Consumer(ctx, "CRM", name)
	if err != nil {
		t.Fatal(err)
	}
	return consumer.CachedInfo()
}

// A person pauses a consumer and resumes it, and has another read again; each is asked about first, and made in NATS.
func TestChangeConsumers(t *testing.T) {
	t.Parallel()
	d := ownDay(t)
	w := signedIn(t, d.bridge, desk)
	w.visit("/console/consumers")
	w.do(clickLink("search"))
	w.until(`location.search.includes("search")`)
	w.choose("#for", "1h")
	w.declines("Pause")
	if d.reader(t, "search").Paused {
		t.Fatal("a no paused it")
	}
	w.choose("#for", "1h")
	if done := w.confirms(t, "Pause", "Pause", "Pause consumer search of stream CRM for 1h?"); !strings.Contains(done, "Paused consumer search") {
		t.Errorf("it says %q", done)
	}
	if info := d.reader(t, "search"); !info.Paused || info.PauseRemaining < 50*time.Minute {
		t.Errorf("it is %+v", info)
	}
	w.shows("paused")
	if done := w.confirms(t, "Resume", "Resume", "Resume consumer search"); !strings.Contains(done, "Resumed consumer search") {
		t.Errorf("it says %q", done)
	}
	if d.reader(t, "search").Paused {
		t.Error("it is still paused")
	}
	before := d.reader(t, "billing").NumPending
	w.visit("/console/consumer?stream=CRM&name=billing")
	w.choose("#to", "sequence")
	w.fill("#at", "5")
	if done := w.confirms(t, "Reset", "Reset", "Reset consumer billing of stream CRM to sequence 5?", "again"); !strings.Contains(done, "Reset consumer billing") {
		t.Errorf("it says %q", done)
	}
	if after := d.reader(t, "billing"); after.NumPending < before+10 || after.AckFloor.Stream >= 5 {
		t.Errorf("before %d were pending, and now it is %+v", before, after)
	}
	for _, fault := range w.found() {
		t.Error(fault)
	}
}

// What a consumer gave up on is listed with its reason, as text, and leaves the list when a person clears it.
func TestDeadMessages(t *testing.T) {
	t.Parallel()
	d := ownDay(t)
	w := signedIn(t, d.bridge, phone)
	message, err := d.consumed["warehouse"].Next()
	if err == nil {
		err = message.TermWithReason("no warehouse for this country " + hostile)
	}
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "what the consumer gave up on is known", func() bool {
		out, err := d.run("consumers", "--dead", "--json")
		return err == nil && strings.Contains(out, "<script>")
	})
	w.visit("/console/consumer?stream=CRM&name=warehouse")
	w.shows("no warehouse for this country <script>")
	if strings.Contains(script[string](w, "document.title"), "taken") || script[int](w, `document.querySelectorAll("main script, main img").length`) > 0 {
		t.Error("a reason is run")
	}
	if done := w.confirms(t, "Clear the list", "Clear the list", "cannot be undone", "warehouse"); !strings.Contains(done, "Cleared") {
		t.Errorf("it says %q", done)
	}
	w.until(`!document.body.innerText.includes("no warehouse")`) // NATS may have given up on others since
	if out, err := d.run("consumers", "--dead", "--json"); err != nil || strings.Contains(out, "no warehouse") {
		t.Errorf("after it was cleared: %v %s", err, out)
	}
}

// The bridge's own consumers are shown, and nothing of them can be changed.
func TestOwnConsumers(t *testing.T) {
	t.Parallel()
	w := signedIn(t, shared.bridge, desk)
	w.visit("/console/consumer?stream=CRM&name=crm-bridge-records-zoho")
	w.shows("belongs to the bridge")
	if n := script[int](w, `document.querySelectorAll("main form").length`); n > 0 {
		t.Errorf("%d forms change it", n)
	}
	token := script[string](w, `document.querySelector("[name=csrf]").value`)
	cookie := w.cookies()[0]
	for _, change := range []string{"pause", "reset", "resume", "clear"} {
		fields := map[string][]string{"csrf": {token}, "confirmed": {"yes"}, "stream": {"CRM"}, "name": {"crm-bridge-records-zoho"}, "for": {"1h"}, "to": {"first"}, "upto": {"2026-01-01T00:00:00Z"}}
		status, text := ask(t, "POST", shared.Admin+"/console/consumer/"+change, fields, "Cookie", cookie.Name+"="+cookie.Value)
		if change != "clear" && status < 400 {
			t.Errorf("%s was answered with %d %.300s", change, status, text)
		}
	}
	if info := shared.reader(t, "crm-bridge-records-zoho"); info.Paused {
		t.Error("it is paused")
	}
}
