package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// pasted are the values that the page has a button to copy, by their names.
const pasted = `Object.fromEntries([...document.querySelectorAll(".copy pre")].map(p => [p.getAttribute("aria-label"), p.textContent]))`

// A person sees what to paste into a CRM. Secrets are hidden until asked for, and again when the page is opened again; what is pasted
// works, and the page says when the first callback has come.
func TestConnect(t *testing.T) {
	t.Parallel()
	d := ownDay(t)
	if err := d.restart(); err != nil { // no callback has come since
		t.Fatal(err)
	}
	w := signedIn(t, d.bridge, phone)
	w.visit("/console/connect")
	w.do(clickLink("Zoho CRM"))
	w.until(`location.pathname === "/console/connect/crm"`)
	at := script[string](w, "location.pathname + location.search")
	if hidden := script[map[string]string](w, pasted); hidden["URL to notify"] == "" || hidden["Header X-Webhook-Secret"] != "" {
		t.Fatalf("before it was asked for, shown are %v", hidden)
	}
	w.shows("Waiting for the first callback")
	w.clickOn("Show secrets")
	w.shows("Secrets are shown")
	w.check(t, "secrets that are shown")
	shown := script[map[string]string](w, pasted)
	webhook, secret := shown["URL to notify"], shown["Header X-Webhook-Secret"]
	if len(secret) < 20 || strings.Contains(script[string](w, "location.href"), secret) {
		t.Fatalf("shown are %v", shown)
	}
	if status, text := ask(t, http.MethodPost, webhook, url.Values{"id": {"6172731000000880001"}}, "X-Webhook-Secret", secret); status != 200 {
		t.Errorf("what was pasted is answered with %d %s", status, text)
	}
	w.until(`document.querySelector("#arrived").innerText.includes("zoho-webhooks") && !document.querySelector("#arrived").innerText.match(/zoho-webhooks: *Waiting/)`)
	w.check(t, "connected")
	w.visit(at)
	if strings.Contains(script[string](w, "document.documentElement.outerHTML"), secret) {
		t.Error("the page shows the secret without being asked")
	}
}

// A source that refuses callbacks says so, with the reason and what to compare.
func TestRejections(t *testing.T) {
	t.Parallel()
	d := ownDay(t)
	w := signedIn(t, d.bridge, desk)
	for range 3 {
		if status, text := ask(t, http.MethodPost, d.Callbacks+"/zoho/webhooks/Deals/edit", url.Values{"id": {"1"}}, "X-Webhook-Secret", "guessed-by-somebody"); status != 401 {
			t.Fatalf("answered with %d %s", status, text)
		}
	}
	w.visit("/console/sources")
	w.until(`document.querySelector("[aria-labelledby='source-zoho-webhooks']").innerText.includes("401")`)
	if text := w.text(); !strings.Contains(text, "Not authenticated") || strings.Contains(text, "guessed-by-somebody") {
		t.Errorf("the page says %s", text)
	}
	w.check(t, "rejections")
}
