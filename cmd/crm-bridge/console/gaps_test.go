package console_test

import (
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// Gaps are open or lately closed, say why and for how long callbacks were missed, and what to run where the bridge cannot repair them.
func TestGaps(t *testing.T) {
	since := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	gap := func(account, state string, closed *time.Time) status.Gap {
		return status.Gap{Provider: "acme", Account: account, Modules: []string{"Deals", "Leads"}, Since: since, Until: since.Add(90*time.Minute + time.Millisecond), Noted: *moment(time.Minute), Cause: "no subscription was alive", State: state, Closed: closed, Records: 1200}
	}
	failing := gap("a b'c", status.GapFailing, nil)
	failing.Problem = hostile
	report := status.Report{MoreGaps: 3, Gaps: []status.Gap{failing, gap("waits", status.GapWaiting, nil), gap("done", status.GapRepaired, moment(time.Hour)), gap("lost", status.GapLost, moment(2*time.Hour))}}
	for range 60 {
		report.Gaps = append(report.Gaps, gap("older", status.GapRepaired, moment(3*time.Hour)))
	}
	r := reads(t, console.Gaps(reporting(report)))
	r.sees("/console/gaps", "<strong>Deals, Leads</strong>", "2026-11-01 12:00:00", "2026-11-01 13:30:00", "1 h</span>", "no subscription was alive", "1\u202f200", "3 more are not", "&lt;img", "no:"+hostile,
		"crm-bridge backfill acme --account &#39;a b&#39;\\&#39;&#39;c&#39; --module Deals --since 2026-11-01T12:00:00Z --until 2026-11-01T13:30:01Z", "--account lost --module Leads", "no:--account done", "no:--account waits",
		`href="/console/gaps?from=50"`, "as events with crmorigin=repair")
	r.sees("/console/gaps?from=50", "account older", "no:account lost")
	r.sees("/console/gaps?state=lost", "account lost", "no:account older", "No gap is open.")
	r.sees("/console/gaps?account=waits", "account waits", "No gap was closed lately.")
}
