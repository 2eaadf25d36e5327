package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) *time.Time {
	at := now.Add(-d)
	return &at
}

// gaveUp is what the consumer of well gave up on.
func gaveUp(events uint64) []consumers.Count {
	return []consumers.Count{{Stream: "CRM", Consumer: "billing", Dead: events}}
}

// well is the report of a bridge that needs nobody.
func well() status.Report {
	n := uint64(0)
	return status.Report{
		At: now, Version: "1.2.3", Started: now.Add(-26 * time.Hour), Ready: true, Durability: "a 200 guarantees: fsynced", Stream: "CRM", Remote: status.Forwarding,
		Journal:    &status.Journal{Stream: status.Stream{Name: "CRM_JOURNAL"}, Pending: &n},
		Quarantine: &status.Stream{Name: "CRM_QUARANTINE"}, Refused: &status.Stream{Name: "CRM_REFUSED"},
		Sources: []status.Source{
			{Label: "zoho-notifications", Provider: "zoho", Secret: true, LastCallback: before(3 * time.Second), Outcomes: map[string]uint64{"accepted": 1204, "forged": 2}, Forged: 2},
			{Label: "hubspot-webhooks", Provider: "hubspot"},
		},
		Channels: []status.Channel{
			{Channel: ingest.Channel{Provider: "zoho", Account: "default", ID: "1", Modules: []string{"Deals"}, State: "active", Expires: now.Add(5 * 24 * time.Hour)}},
			{Channel: ingest.Channel{Provider: "zoho", Account: "default", ID: "2", Modules: []string{"Leads"}, State: "disabled"}},
			{Channel: ingest.Channel{Provider: "bitrix24", Account: "member", ID: "events", Modules: []string{"Deal"}, State: "active"}},
		},
		Gaps: []status.Gap{
			{Provider: "zoho", Account: "default", Modules: []string{"Deals"}, Since: now.Add(-time.Hour), Until: now.Add(-50 * time.Minute), Noted: now.Add(-50 * time.Minute), State: status.GapRepaired, Closed: before(49 * time.Minute), Records: 7},
		},
		Streams: []status.Stream{
			{Name: "CRM", Messages: 1000, Bytes: 99, Limit: 100, Variable: "BRIDGE_STREAM_MAX_BYTES", Full: status.FullDrops, Oldest: before(time.Hour)},
			{Name: "CRM_QUARANTINE", Limit: 100, Full: status.FullRejects},
		},
		Records:      []status.Record{{Provider: "zoho", Account: "default", Module: "Deals", Kept: 12, Lag: 900}},
		Consumers:    []consumers.Consumer{{Stream: "CRM", Name: "billing", Durable: true, Lag: 500, AckPending: 3}},
		Disk:         &status.Disk{Folder: "data", Free: 2 << 30, Total: 100 << 30},
		Clocks:       []status.Clock{{Provider: "zoho", Ahead: -30}},
		Certificates: []status.Certificate{{Variable: "BRIDGE_LISTEN_CERT", Expires: func() *time.Time { at := now.Add(15 * 24 * time.Hour); return &at }()}},
	}
}

// A lag, a full stream that drops its oldest events, a disabled channel, a few strangers and a repaired gap need nobody.
func TestNothingNeedsAPerson(t *testing.T) {
	if found := status.Judge(well()); len(found) > 0 {
		t.Errorf("a healthy bridge has %+v", found)
	}
}

// Nine callbacks of strangers, also to a source without a secret or to one that nothing has come to yet, need nobody.
func TestStrangersAreNoProblem(t *testing.T) {
	r := well()
	r.Sources[0].Forged, r.Sources[0].LastCallback, r.Sources[1].Forged = 9, nil, 9
	if found := status.Judge(r); len(found) > 0 {
		t.Errorf("strangers are %+v", found)
	}
}

// Each of these needs a person, and is said with where it is and what to do.
func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		breaks func(*status.Report)
		says   string
	}{
		"draining":                      {func(r *status.Report) { r.Ready, r.Reason = false, "draining" }, "The bridge is not ready: draining. | readiness | wait: it lasts seconds"},
		"a journal that is old":         {func(r *status.Report) { n := uint64(7); r.Journal.Pending, r.Journal.Waits = &n, before(6*time.Minute) }, "The oldest event has waited for the remote NATS for 6 min, and 7 events wait. | journal CRM_JOURNAL | "},
		"another folder's journal":      {func(r *status.Report) { r.Warnings = []string{"journal x holds events (3)"} }, "A journal is not forwarded: journal x holds events (3)."},
		"a quarantine that is full":     {func(r *status.Report) { r.Streams[1].Bytes, r.Streams[1].Variable = 90, "BRIDGE_QUARANTINE_MAX_BYTES" }, "Stream CRM_QUARANTINE holds 90B of 100B: at the limit new messages are rejected. | stream CRM_QUARANTINE | redrive or drop"},
		"a foreign stream that is full": {func(r *status.Report) { r.Streams[1].Bytes, r.Streams[1].Foreign = 100, true }, "give stream CRM_QUARANTINE a larger limit in NATS"},
		"a consumer that loses events":  {func(r *status.Report) { r.Consumers[0].Lag = 990 }, "the events that it drops next have not been read by consumer billing. | consumer billing | have it read faster, or raise BRIDGE_STREAM_MAX_BYTES"},
		"a disk that is full":           {func(r *status.Report) { r.Disk.Free = 512 << 20 }, "The disk of the data folder has only 512MiB of 100GiB left. | disk of data | make room"},
		"an unreadable certificate": {func(r *status.Report) {
			r.Certificates[0] = status.Certificate{Variable: "BRIDGE_LISTEN_CERT", Problem: "no such file"}
		}, "The certificate of BRIDGE_LISTEN_CERT cannot be read: no such file."},
		"an org without a secret":                  {func(r *status.Report) { r.Sources[0].Orgs = []string{"emea"} }, "Org zoho emea has no secret for any source"},
		"a source without a secret that is called": {func(r *status.Report) { r.Sources[1].Forged = 10 }, "10 callbacks came for source hubspot-webhooks, which has no secret and rejects everything. | source hubspot-webhooks | run crm-bridge connect hubspot"},
		"a secret that is wrong":                   {func(r *status.Report) { r.Sources[0].Forged, r.Sources[0].LastCallback = 10, nil }, "10 callbacks of source zoho-notifications could not be authenticated, and none could: the secret is likely wrong."},
		"a secret that has changed":                {func(r *status.Report) { r.Sources[0].Forged = 10 }, "The last 10 callbacks of source zoho-notifications could not be authenticated: was the secret changed on one side?"},
		"a channel that is refused":                {func(r *status.Report) { r.Channels[0].State, r.Channels[0].Problem = "refused", "no such module." }, "The CRM refuses the channel for Deals: no such module. | channel 1 of zoho, account default | "},
		"a channel that is not renewed":            {func(r *status.Report) { r.Channels[0].Problem = "invalid_grant" }, "The channel for Deals is not renewed: invalid_grant."},
		"a channel that expires":                   {func(r *status.Report) { r.Channels[0].Expires = now.Add(5 * time.Minute) }, "The channel for Deals expires in 5 min, and is not renewed."},
		"a channel that has expired":               {func(r *status.Report) { r.Channels[0].Expires = now }, "The channel for Deals has lapsed"},
		"a gap that stays open": {func(r *status.Report) {
			r.Gaps[0].State, r.Gaps[0].Closed, r.Gaps[0].Noted, r.Gaps[0].Problem = status.GapFailing, nil, now.Add(-2*time.Hour), "401"
		}, "have not been read from the CRM for 2 h: 401. | gap of zoho, account default | "},
		"a gap that is lost":      {func(r *status.Report) { r.Gaps[0].State, r.Gaps[0].Problem = status.GapLost, "it has no list" }, "may be lost, because nothing can read them from the CRM: it has no list."},
		"records that wait":       {func(r *status.Report) { r.Records[0].Problem = "the budget is used up" }, "Events of Deals have waited for their records for 15 min: the budget is used up."},
		"a clock that is off":     {func(r *status.Report) { r.Clocks[0].Ahead = 90 }, "The clock of this machine is 1 min 30 s off that of zoho."},
		"quarantined callbacks":   {func(r *status.Report) { r.Quarantine.Messages, r.Quarantine.Oldest = 2, before(3*time.Hour) }, "2 callbacks wait in quarantine, which could not be parsed, the oldest for 3 h."},
		"a consumer that gave up": {func(r *status.Report) { r.Dead = gaveUp(1204) }, "Consumer billing gave up on 1,204 events."},
	} {
		t.Run(name, func(t *testing.T) {
			r := well()
			test.breaks(&r)
			found := status.Judge(r)
			if len(found) != 1 {
				t.Fatalf("found %+v", found)
			}
			if text := found[0].What + " | " + found[0].Where + " | " + found[0].Fix; !strings.Contains(text, test.says) || found[0].Where == "" || found[0].Fix == "" {
				t.Errorf("it says %q, not %q", text, test.says)
			}
		})
	}
}

// A channel that lives for a minute is renewed in its last third; only if it was not does it need a person.
func TestAShortChannel(t *testing.T) {
	for left, problems := range map[time.Duration]int{59 * time.Second: 0, 16 * time.Second: 0, 14 * time.Second: 1} {
		r := well()
		r.Channels[0].Granted, r.Channels[0].Expires = now.Add(left-time.Minute), now.Add(left)
		if found := status.Judge(r); len(found) != problems {
			t.Errorf("with %s left: %+v", left, found)
		}
	}
}

// A gap that cannot be repaired is a problem for a day: then it is known, and nothing can be done.
func TestALostGapIsForgiven(t *testing.T) {
	r := well()
	r.Gaps[0].State, r.Gaps[0].Closed = status.GapLost, before(25*time.Hour)
	if found := status.Judge(r); len(found) > 0 {
		t.Errorf("after a day it is still a problem: %+v", found)
	}
}

// The most urgent problem comes first: callbacks that are lost now before those that wait.
func TestTheMostUrgentComesFirst(t *testing.T) {
	r := well()
	r.Quarantine.Messages, r.Refused.Messages, r.Dead = 1, 1, gaveUp(1)
	r.Channels[0].State = "lapsed"
	r.Ready, r.Reason = false, "nothing can be stored: no space left on device"
	var order []string
	for _, one := range status.Judge(r) {
		order = append(order, one.Where)
	}
	want := "readiness, channel 1 of zoho, account default, consumer billing of stream CRM, stream CRM_REFUSED, quarantine"
	if got := strings.Join(order, ", "); got != want {
		t.Errorf("the order is %s, not %s", got, want)
	}
}
