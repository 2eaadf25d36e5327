package zoho_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

var seed = flag.Uint64("seed", 0, "of the simulated months; 0: by chance")

// A month in which the API fails, answers are lost, channels die, processes end anywhere, the store is away and clocks
// differ and drift: every moment of every wanted module is covered by a live channel or lies in a gap that was told, and
// with what is heard and what is listed for the gaps, nothing that changed in the CRM stays unknown.
func TestMonth(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.Uint64N(1_000_000)
	}
	for i, version := range everyVersion {
		number := first + uint64(i)
		t.Run(fmt.Sprintf("%s, -seed %d", version, number), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMonth(t, version, number)
				m.run()
				m.checkCovered()
				m.checkKnown()
				t.Logf("%d calls of Watch, %d failed; %d processes; %d gaps; %d records", m.calls, m.failed, m.processes, len(m.gaps), len(m.records))
			})
		})
	}
}

type month struct {
	t       *testing.T
	rand    *rand.Rand
	version zoho.Version
	crm     *zohotest.CRM
	state   ingest.State
	source  *zoho.Notifications

	channels *zoho.Channels
	watched  ingest.Watched
	began    time.Time // by Zoho's clock, when everything was first alive
	gaps     []ingest.Gap
	repairs  []ingest.Gap // that are still to be listed

	records                  map[string]*known // by module and id
	calls, failed, processes int
}

const wantedInMonth = "Deals.all,Contacts.all,CustomModule1.all"

func newMonth(t *testing.T, version zoho.Version, number uint64) *month {
	m := &month{t: t, rand: rand.New(rand.NewPCG(number, 1)), version: version, crm: newCRM(), state: ingesttest.State(), records: map[string]*known{}}
	m.source = &zoho.Notifications{Account: "default", TokenSecrets: ingest.SecretList{tokenSecret}}
	m.crm.NoDate, m.crm.Strict, m.crm.After = m.chance(3), m.chance(3), m.chance(2)
	m.crm.SetSkew(m.span(-48*time.Hour, 48*time.Hour))
	if m.crm.NoDate { // nothing shows what time it is there, so clocks must agree within the margin
		m.crm.SetSkew(m.span(-4*time.Minute, 4*time.Minute))
	}
	m.crm.Callbacks = ingesttest.Direct(http.HandlerFunc(m.callback))
	m.restart()
	return m
}

func (m *month) chance(of int) bool { return m.rand.IntN(of) == 0 }

func (m *month) span(from, to time.Duration) time.Duration {
	return from + time.Duration(m.rand.Int64N(int64(to-from)))
}

func (m *month) restart() {
	m.channels = channels(m.t, m.crm, m.version, m.state, wantedInMonth)
	m.processes++
}

func (m *month) run() {
	end := time.Now().Add(30 * 24 * time.Hour)
	for time.Now().Before(end) {
		m.disturb()
		m.watch()
		m.repair()
		m.change()
		wait := max(time.Until(m.watched.Next), 0)
		if m.chance(4) {
			wait = m.span(0, wait+time.Second)
		}
		if m.chance(20) { // nobody is at work
			wait = m.span(0, 12*24*time.Hour)
		}
		for wait > 0 {
			part := min(wait, m.span(time.Minute, 8*time.Hour))
			time.Sleep(part)
			wait -= part
			m.change()
		}
	}
	// All is well again, as soon as the failures that are left have come about: while its channels live, a process asks for little.
	for try := 0; try < 40 || len(m.repairs) > 0 && try < 200; try++ {
		m.watch()
		m.repair()
		time.Sleep(11 * time.Minute)
	}
	if len(m.repairs) > 0 {
		m.t.Fatalf("%d gaps could not be listed", len(m.repairs))
	}
}

// disturb lets things go wrong.
func (m *month) disturb() {
	if m.chance(3) {
		ways := []zohotest.Failure{
			zohotest.ZohoBusy, zohotest.ZohoBroken, zohotest.ZohoProxy, zohotest.ZohoLost, zohotest.ZohoLost, zohotest.ZohoHang,
			{Status: http.StatusBadRequest, Body: "{}"},
			{Status: http.StatusOK, Body: `{"watch":[{"code":"SUCCESS","status":"success","details":{}}]}`},
			{},
			{},
			{},
		}
		for range m.rand.IntN(20) {
			m.crm.Fail(ways[m.rand.IntN(len(ways))])
		}
	}
	if m.chance(8) {
		live := m.crm.Live()
		if len(live) > 0 && m.chance(2) {
			m.crm.Kill(live[m.rand.IntN(len(live))].ID)
		} else {
			m.crm.Kill("")
		}
	}
	if m.chance(10) {
		m.crm.RevokeTokens()
	}
	if m.chance(8) {
		m.state.Shared.(*ingesttest.FailingMemory).Fail(m.rand.IntN(4))
	}
	if m.chance(8) {
		m.state.Secret.(*ingesttest.FailingMemory).Fail(m.rand.IntN(3))
	}
	if m.chance(6) {
		m.restart()
	}
	if !m.crm.NoDate && m.chance(10) { // our clock jumps ahead; Zoho's does not
		jump := m.span(0, 10*time.Hour)
		ahead := time.Until(m.crm.Now())
		time.Sleep(jump)
		m.crm.SetSkew(ahead - jump)
	}
}

// watch calls Watch as the program does. Some calls end in the middle, and some processes before a gap is noted.
func (m *month) watch() {
	patience := 24 * time.Hour
	if m.chance(15) {
		patience = m.span(0, time.Minute)
	}
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	dies := m.chance(15)
	watched, err := m.channels.Watch(ctx, m.state, func(gap ingest.Gap) error {
		if dies || m.chance(10) {
			return ingesttest.ErrStore
		}
		m.gaps, m.repairs = append(m.gaps, gap), append(m.repairs, gap)
		return nil
	})
	m.calls++
	if err != nil {
		m.failed++
		checkNoSecret(m.t, m.crm, err.Error())
	}
	if m.watched = watched; dies {
		m.restart()
		return
	}
	active := 0
	for _, channel := range watched.Channels {
		if channel.State == "active" {
			active++
		}
	}
	if m.began.IsZero() && active == 3 {
		m.began = m.crm.Now()
	}
}

// repair lists what changed in the gaps.
func (m *month) repair() {
	m.repairs = slices.DeleteFunc(m.repairs, func(gap ingest.Gap) bool {
		for page, err := range m.channels.Changed(m.t.Context(), ingest.Query{Module: gap.Module, Since: gap.Since, Until: gap.Until, Origin: ingest.Repair}) {
			if err != nil {
				return false
			}
			m.hear(page.Changes)
		}
		return true
	})
}

func (m *month) checkCovered() {
	if m.began.IsZero() {
		m.t.Fatal("nothing was ever subscribed")
	}
	for _, module := range []string{"Deals", "Contacts", "CustomModule1"} {
		for _, operation := range []string{"create", "edit", "delete"} {
			type span struct{ from, to time.Time }
			var spans []span
			for _, life := range m.crm.Lives(module, operation) {
				spans = append(spans, span{life.From, life.To})
			}
			for _, gap := range m.gaps {
				if gap.Module == module {
					spans = append(spans, span{gap.Since, gap.Until})
				}
			}
			slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
			at, end := m.began, m.crm.Now()
			for _, s := range spans {
				if s.from.After(at) && at.Before(end) {
					m.t.Errorf("%s.%s: nothing covers %s to %s", module, operation, at, s.from)
				}
				if s.to.After(at) {
					at = s.to
				}
			}
			if at.Before(end) {
				m.t.Errorf("%s.%s: nothing covers %s to %s", module, operation, at, end)
			}
		}
	}
}
