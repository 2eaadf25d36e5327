package console_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// channelsReport has channels of every state, and many of a CRM whose channels are portals.
func channelsReport() status.Report {
	now := time.Now()
	report := status.Report{MoreChannels: 7, Channels: []status.Channel{
		{Channel: ingest.Channel{Provider: "acme", Account: "one", ID: "c-1", Modules: []string{"Deals"}, State: "active", Granted: now.Add(-45 * time.Minute), Expires: now.Add(15*time.Minute + time.Second)}, LastCallback: moment(time.Minute)},
		{Channel: ingest.Channel{Provider: "acme", Account: "one", ID: "c-2", Modules: []string{"Leads"}, State: "lapsed", Expires: now.Add(-time.Hour), Problem: hostile}, LastRepair: moment(time.Hour)},
		{Channel: ingest.Channel{Provider: "acme", Account: "two", ID: "c-3", Modules: []string{"Deals"}, State: "disabled"}},
	}}
	for i := range 60 {
		report.Channels = append(report.Channels, status.Channel{Channel: ingest.Channel{Provider: "portals", Account: fmt.Sprintf("portal-%d", i), Modules: []string{"Deal", "Lead"}, State: "active", Queued: true}})
	}
	return report
}

// Channels are listed with their life and what can be done about each, at most so many on a page, and can be narrowed.
func TestChannels(t *testing.T) {
	every := []string{"enable", "renew", "disable"}
	r := reads(t, console.Channels(reporting(channelsReport()), console.Subscriptions{Of: []console.Subscriber{
		{Provider: "acme", Name: "Acme", Account: "one", Target: "module", Changes: every}, {Provider: "portals", Name: "Portals", Target: "portal's id", Changes: every},
	}}))
	page := r.sees("/console/channels", `aria-label="Life of Deals that is left">25 %</meter>`, "in 15 min, at ", "expired at ", "not subscribed", "never", "queued by the CRM", "7 more are not listed", "63 channels",
		`aria-label="Renew Deals"`, `aria-label="Enable Leads"`, `aria-label="Renew account portal-3"`, "&lt;img", "no:"+hostile, "portal-46", "no:portal-47", `href="/console/channels?from=50"`)
	if strings.Count(page, `value="Deals"`) != 3 { // of one that can be renewed or disabled, and one that can be enabled
		t.Errorf("the forms of Deals: %s", page)
	}
	r.sees("/console/channels?from=50", "portal-47", "portal-59", "no:portal-46", "no:More</a>")
	r.sees("/console/channels?by-state=problem", "Leads", "1 channel;", "no:>Deals<")
	r.sees("/console/channels?by-provider=portals", `href="/console/channels?by-provider=portals&amp;from=50"`, "60 channels", "no:Leads")
	r.sees("/console/channels?by-account=two&by-state=disabled", "1 channel;", `name="by-account" value="two"`)
	r.sees("/console/channels?from=-3", "portal-46")
	r.sees("/console/channels?from=9999", "No channel")
}

// A change asks first, says what follows, names what it is about, and comes back to the list as it was narrowed; its error is shown.
func TestChangeOfChannels(t *testing.T) {
	var changed []string
	failure := error(nil)
	r := reads(t, console.Channels(reporting(channelsReport()), console.Subscriptions{
		Of: []console.Subscriber{{Provider: "acme", Name: "Acme", Target: "module", Changes: []string{"disable"}}},
		Change: func(_ context.Context, word, provider, account, target string) error {
			changed = append(changed, word+" "+provider+" "+account+" "+target)
			return failure
		},
	}))
	form := url.Values{"provider": {"acme"}, "account": {"one"}, "target": {"Deals"}, "by-state": {"active"}}
	code, page := r.posts("/console/channels/disable", form)
	r.has(page, "Disable the subscription of Deals of acme, account one?", "The CRM stops calling until you enable it again.", `href="/console/channels?by-state=active"`)
	if code != http.StatusOK || changed != nil {
		t.Fatalf("%d, %q", code, changed)
	}
	form.Set("confirmed", "yes")
	code, page = r.posts("/console/channels/disable", form)
	r.has(page, "Disabled the subscription of Deals of acme, account one.", "no:Leads")
	if code != http.StatusOK || len(changed) != 1 || changed[0] != "disable acme one Deals" {
		t.Errorf("%d, %q", code, changed)
	}
	failure = errors.New("the CRM does not answer")
	if code, page = r.posts("/console/channels/disable", form); code != http.StatusBadGateway || !strings.Contains(page, "The CRM does not answer.") {
		t.Errorf("%d %s", code, page)
	}
}

// Where the bridge keeps no subscriptions, the page says what makes it keep some.
func TestNoChannels(t *testing.T) {
	reads(t, console.Channels(reporting(status.Report{}), console.Subscriptions{None: "this bridge keeps no subscriptions; set BRIDGE_ACME_EVENTS"})).
		sees("/console/channels", "This bridge keeps no subscriptions; set BRIDGE_ACME_EVENTS.", "no:<table")
}
