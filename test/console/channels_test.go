package console

import (
	"slices"
	"strings"
	"testing"
)

// A person disables a channel, enables it again, and renews one; each change is asked about first, and made in the CRM.
func TestChangeChannels(t *testing.T) {
	t.Parallel()
	d := ownDay(t)
	w := signedIn(t, d.bridge, desk)
	w.visit("/console/channels")
	w.declines("Disable Contacts")
	if !d.crm.alive("Contacts") {
		t.Fatal("a no disabled the channel")
	}
	if done := w.confirms(t, "Disable Contacts", "Disable", "Contacts", "default"); !strings.Contains(done, "Disabled") {
		t.Errorf("it says %q", done)
	}
	eventually(t, "the channel is gone from the CRM", func() bool { return !d.crm.alive("Contacts") })
	w.shows("disabled")
	if done := w.confirms(t, "Enable Contacts", "Enable", "Contacts"); !strings.Contains(done, "Enabled") {
		t.Errorf("it says %q", done)
	}
	eventually(t, "the channel is back in the CRM", func() bool { return d.crm.alive("Contacts") })
	d.crm.Requests()
	if done := w.confirms(t, "Renew Deals", "Renew", "Deals"); !strings.Contains(done, "Renewed") {
		t.Errorf("it says %q", done)
	}
	if asked := d.crm.Requests(); !slices.ContainsFunc(asked, func(one string) bool { return strings.HasSuffix(one, " /crm/v8/actions/watch") && one[:3] != "GET" }) {
		t.Errorf("the CRM was asked %v", asked)
	}
}

// A channel that the CRM refuses is shown with the reason. When the CRM is well again, a person renews it, and its gap is repaired.
func TestHealChannel(t *testing.T) {
	t.Parallel()
	d := ownDay(t)
	w := signedIn(t, d.bridge, phone)
	w.expect("502")
	w.visit("/console/channels?by-state=problem")
	w.shows("answered 500 INTERNAL_ERROR")
	if problem := w.confirms(t, "Renew "+d.lapsed, "Renew", d.lapsed); !strings.Contains(problem, "INTERNAL_ERROR") {
		t.Errorf("renewing what the CRM refuses says %q", problem)
	}
	d.crm.broken.Store("")
	w.visit("/console/channels")
	if done := w.confirms(t, "Renew "+d.lapsed, "Renew", d.lapsed); !strings.Contains(done, "Renewed") {
		t.Errorf("it says %q", done)
	}
	eventually(t, "the channel is back in the CRM", func() bool { return d.crm.alive(d.lapsed) })
	w.visit("/console/gaps")
	w.shows(d.lapsed)
	w.until(`document.querySelector("#gaps").innerText.includes("repaired") || document.querySelector("#gaps").innerText.includes("again")`)
	w.check(t, "the repaired gap")
}
