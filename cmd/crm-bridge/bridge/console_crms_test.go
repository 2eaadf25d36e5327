package bridge

import (
	"context"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// org is a bridge that keeps channels of Deals and Contacts in a Zoho CRM, and an operator of its console.
type org struct {
	*operator
	b         *Bridge
	crm       *zohotest.CRM
	callbacks string
}

func openOrg(t *testing.T) *org {
	t.Helper()
	crm := &zohotest.CRM{ClientID: "client", ClientSecret: "client-secret", RefreshToken: "refresh-token", Callbacks: http.DefaultTransport, Grants: time.Hour}
	api := httptest.NewServer(crm)
	t.Cleanup(api.Close)
	callbacks := freeAddress(t)
	for name, value := range map[string]string{
		"ZOHO_CLIENT_ID": crm.ClientID, "ZOHO_CLIENT_SECRET": crm.ClientSecret, "ZOHO_REFRESH_TOKEN": crm.RefreshToken, "ZOHO_ACCOUNTS_URL": api.URL,
		"ZOHO_API_URL": api.URL, "ZOHO_EVENTS": "Deals.all,Contacts.all", "PUBLIC_URL": "http://" + callbacks,
	} {
		t.Setenv("BRIDGE_"+name, value)
	}
	settings, err := config.Load(&config.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	settings.DataDir, settings.Listen, settings.AdminListen, settings.NATS.Listen = t.TempDir(), callbacks, "127.0.0.1:0", "127.0.0.1:0"
	hurried := func(setup ingest.Setup) (*ingest.CRM, error) {
		opened, err := zoho.Open(setup)
		if err == nil {
			opened.Settle = time.Millisecond
		}
		return opened, err
	}
	b, err := Open(t.Context(), settings, []Opener{hurried, bitrix24.Open}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		b.Close()
	})
	o := &org{signsIn(t, b), b, crm, "http://" + callbacks}
	until(t, "subscribing", 30*time.Second, func() bool {
		return len(crm.Live()) == 2 && strings.Count(o.get("/console/channels"), `<span class="tag good">active</span>`) == 2
	})
	return o
}

// expires is when the channels of the CRM expire, the first of them.
func (o *org) expires() time.Time {
	first := time.Time{}
	for _, live := range o.crm.Live() {
		if first.IsZero() || live.Expires.Before(first) {
			first = live.Expires
		}
	}
	return first
}

// The console lists channels with what is left of their life, and renews, disables and enables one of them, or all.
func TestConsoleChangesChannels(t *testing.T) {
	o := openOrg(t)
	o.shows("/console/channels", "<strong>Deals</strong>", "<strong>Contacts</strong>", "zoho, account default", `aria-label="Life of Deals that is left">100 %</meter>`, "in 59 min, at ", "2 channels.")
	o.shows("/console/channels?by-state=problem", "No channel is like that.", "0 channels.")
	before := o.expires()
	time.Sleep(time.Second) // Zoho's times are of seconds
	o.does("/console/channels/renew", url.Values{"provider": {"zoho"}, "account": {"default"}}, "Renew all subscriptions of zoho, account default?", "Renewed all subscriptions of zoho, account default.")
	if after := o.expires(); !after.After(before) {
		t.Errorf("they expired at %s, and now at %s", before, after)
	}
	deals := url.Values{"provider": {"zoho"}, "account": {"default"}, "target": {"Deals"}}
	o.does("/console/channels/disable", deals, "What changes until then is not read from the CRM", "Disabled the subscription of Deals of zoho, account default.")
	if live := o.crm.Live(); len(live) != 1 {
		t.Errorf("alive are %+v", live)
	}
	if page := o.shows("/console/channels?by-state=disabled", "1 channel.", ">disabled</span>", `aria-label="Enable Deals"`); strings.Contains(page, `aria-label="Disable Deals"`) {
		t.Error("a disabled channel can be disabled")
	}
	if page := o.refused("/console/channels/renew", url.Values{"provider": {"zoho"}, "target": {"Deals"}, "confirmed": {"yes"}}, http.StatusBadGateway); !strings.Contains(page, "disabled channels are not renewed") {
		t.Errorf("renewing a disabled one: %s", main(page))
	}
	o.does("/console/channels/enable", deals, "Enable the subscription of Deals of zoho", "Enabled the subscription of Deals")
	if live := o.crm.Live(); len(live) != 2 {
		t.Errorf("alive are %+v", live)
	}
}

// A channel that the CRM has dropped becomes a gap, which the console shows until it is repaired, and as repaired then.
func TestConsoleShowsGaps(t *testing.T) {
	o := openOrg(t)
	o.shows("/console/gaps", "No gap is open.", "No gap was closed lately.")
	o.crm.Kill("")
	if _, err := o.crm.Create("Deals", map[string]any{"Deal_Name": "No callback reported this"}); err != nil {
		t.Fatal(err)
	}
	o.does("/console/channels/renew", url.Values{"provider": {"zoho"}}, "Renew all subscriptions of zoho?", "Renewed all")
	until(t, "the repair", 40*time.Second, func() bool {
		return strings.Count(o.get("/console/gaps"), `<span class="tag good">repaired</span>`) == 2
	})
	o.shows("/console/gaps", "No gap is open.", "zoho, account default", "read from the CRM, as events with crmorigin=repair")
	o.shows("/console/gaps?state=lost", "No gap was closed lately.")
}

// A gap that nothing can read is shown with the command that reads it once that is solved.
func TestConsoleShowsALostGap(t *testing.T) {
	t.Parallel()
	source := unlisted{}
	b, _ := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{source}, Watcher: source, Lister: source, Settle: time.Millisecond})
	o := signsIn(t, b)
	until(t, "subscribing", 30*time.Second, func() bool { return strings.Contains(o.get("/console/channels"), "<strong>Deals</strong>") })
	b.Keeper.Missed("acme", "one", time.Now())
	until(t, "giving up", 40*time.Second, func() bool {
		return strings.Contains(o.get("/console/gaps?state=lost"), "<strong>Deals, Leads</strong>")
	})
	o.shows("/console/gaps", "<strong>Deals, Leads</strong>", "callbacks were refused", "acme has no list", "crm-bridge backfill acme --account one --module Leads --since ")
}

// The console says that callbacks are not authenticated, and which variable sets their secret; one that is shows the source as receiving.
func TestConsoleShowsSources(t *testing.T) {
	o := openOrg(t)
	o.shows("/console/sources", "POST /zoho/notifications", "made by the bridge, in the file <code>zoho-token-secret</code>", "No callback yet")
	for range 3 {
		answer, err := http.Post(o.callbacks+"/zoho/webhooks/Deals/edit?secret=wrong&id=1", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	}
	o.shows("/console/sources", "The last 3 callbacks were not authenticated: ", "another secret than <code>BRIDGE_ZOHO_WEBHOOK_SECRET</code>", "3 forged", "not authenticated")
	if _, err := o.crm.Create("Deals", map[string]any{"Deal_Name": "A deal"}); err != nil {
		t.Fatal(err)
	}
	o.shows("/console/sources", "Receiving", "1 accepted")
}

// The console says what to paste, its secrets when they are asked for; with what it shows a callback is accepted, and it says so.
func TestConsoleConnects(t *testing.T) {
	o := openOrg(t)
	o.shows("/console/connect", "Zoho CRM", "Bitrix24", "zoho-webhooks: <span class=\"tag\">Waiting for the first callback</span>")
	const at = "/console/connect/crm?account=default&provider=zoho"
	page := o.shows(at, "Show secrets", "URL to notify", o.callbacks+"/zoho/webhooks/Deals/edit", "••••••••", "Header X-Webhook-Secret")
	shown := o.post("/console/connect/crm/show", url.Values{"provider": {"zoho"}, "account": {"default"}})
	secret := pasted(t, shown, "Header X-Webhook-Secret")
	for _, source := range o.b.CRMs.Sources() {
		for _, value := range source.Secrets().Values {
			if strings.Contains(page, value) {
				t.Errorf("a secret of %s is shown unasked", source.Label())
			}
		}
	}
	if !strings.Contains(shown, `data-from="`+html.EscapeString(at)+`"`) {
		t.Error("the page of secrets is refreshed from elsewhere")
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, pasted(t, shown, "URL to notify")+"?id=17", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Webhook-Secret", secret)
	o.ask(request, http.StatusOK)
	o.shows(at, "zoho-webhooks: <span class=\"tag good\">Receiving</span>", "A CRM in the internet cannot reach 127.0.0.1.")
	if page := o.post("/console/connect/crm/check", url.Values{"provider": {"zoho"}, "account": {"default"}}); !strings.Contains(page, "This bridge answers at "+o.callbacks+".") {
		t.Errorf("the public URL leads elsewhere: %s", main(page))
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.base+"/console/connect/crm?provider=acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	o.ask(r, http.StatusNotFound)
}

// pasted returns a value of a page of instructions, by its name.
func pasted(t *testing.T, page, name string) string {
	t.Helper()
	found := regexp.MustCompile(fmt.Sprintf(`aria-label="%s">([^<]*)</pre>`, regexp.QuoteMeta(name))).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the page has no %s: %s", name, main(page))
	}
	return html.UnescapeString(found[1])
}

// A secret that is made for a variable that is not set is the same each time the page is loaded, and another for each variable and bridge.
func TestConsoleKeepsMadeSecrets(t *testing.T) {
	crm := &ingest.CRM{Provider: "acme", Words: ingest.Words{Name: "Acme"}, Connect: func(to ingest.Connecting) ([]ingest.Instruction, error) {
		_, first := to.SecretFor(nil, "BRIDGE_ACME_TOKEN")
		_, second := to.SecretFor(nil, "BRIDGE_ACME_SECRET")
		return []ingest.Instruction{{Source: "acme-events", Set: append(first, second...)}}, nil
	}}
	made := map[string]bool{}
	for range 2 {
		connections := (&parts{CRMs: CRMs{crm}}).connections()
		for range 3 {
			all, err := connections()
			if err != nil || len(all) != 1 || all[0].Name != "Acme" || !all[0].Placeholder {
				t.Fatalf("%+v, %v", all, err)
			}
			for _, set := range all[0].Steps[0].Set {
				made[set.Variable+set.Value] = true
			}
		}
	}
	if len(made) != 4 {
		t.Errorf("made were %v", made)
	}
}
