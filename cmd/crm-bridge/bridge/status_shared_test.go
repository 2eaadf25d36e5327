package bridge

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
)

// Pages that ask within a second share a report, but for what was changed by hand meanwhile; the command gets one of now.
func TestReportsAreShared(t *testing.T) {
	t.Parallel()
	b, _ := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{unlisted{}}})
	b.reports.change()
	var all sync.WaitGroup
	made := make([]time.Time, 50)
	for i := range made {
		all.Go(func() { made[i] = b.Report(t.Context()).At })
	}
	all.Wait()
	for _, at := range made {
		if !at.Equal(made[0]) {
			t.Fatalf("reports of %s and %s were made for pages that ask at once", made[0], at)
		}
	}
	if r, _, _ := reported(t, b, tokenOf(t, b)); !r.At.After(made[0]) {
		t.Error("the command gets an old report")
	}
	before := b.Report(t.Context()).At
	answer, err := http.Post("http://"+Reachable(b.Admin)+"/quarantine/redrive", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if after := b.Report(t.Context()).At; !after.After(before) {
		t.Error("after a change a page gets an older report")
	}
}

// 30,000 gaps, which no two modules share, are grouped in a moment.
func TestManyGaps(t *testing.T) {
	var repairs keep.Repairs
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	const gaps = 30_000
	for i := range gaps {
		for _, module := range []string{"Leads", "Deals"} {
			one := keep.Repair{}
			one.Account, one.Module, one.Since, one.Until, one.Cause = fmt.Sprintf("portal-%d", i), module, start, start.Add(time.Duration(i)*time.Second), "no subscription was alive"
			repairs.Open = append(repairs.Open, one)
		}
	}
	began := time.Now()
	all := gapsOf("acme", repairs)
	if took := time.Since(began); len(all) != gaps || took > 2*time.Second {
		t.Errorf("%d gaps took %s", len(all), took)
	}
	if got := fmt.Sprint(all[7].Modules, all[7].Account, all[7].State); got != "[Deals Leads]portal-7"+status.GapWaiting {
		t.Errorf("a gap is %s", got)
	}
}
