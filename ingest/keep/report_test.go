package keep_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
)

// steady is a Watcher with one channel that is alive.
type steady struct{ modules []string }

func (s steady) Watch(context.Context, ingest.State, func(ingest.Gap) error) (ingest.Watched, error) {
	return ingest.Watched{Next: time.Now().Add(time.Hour), Channels: []ingest.Channel{{Provider: "acme", Account: "1", ID: "all", Modules: s.modules, State: "active"}}}, nil
}

// answering is a Lister that answers with the same error; nil: with one record.
type answering struct{ err atomic.Pointer[error] }

func (a *answering) set(err error) { a.err.Store(&err) }

func (a *answering) Changed(_ context.Context, q ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(yield func(ingest.Page, error) bool) {
		if err := *a.err.Load(); err != nil {
			yield(ingest.Page{}, err)
			return
		}
		yield(ingest.Page{Changes: []ingest.Change{{Provider: "acme", Account: q.Account, Module: q.Module}}}, nil)
	}
}

// keeping runs a Keeper of a CRM until the test ends.
func keeping(t *testing.T, crm *ingest.CRM) (*keep.Keeper, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	k := &keep.Keeper{
		CRMs: []*ingest.CRM{crm}, State: ingesttest.State(), Ready: func(context.Context) bool { return true }, Replica: "one",
		Accept:  func(context.Context, []ingest.Change) ([]ingest.Ack, error) { return nil, nil },
		Metrics: keep.NewKeeperMetrics(registry), Log: slog.New(slog.DiscardHandler),
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended })
	return k, registry
}

// shows compares the metrics of gaps.
func shows(t *testing.T, registry *prometheus.Registry, want ...string) {
	t.Helper()
	var text strings.Builder
	for _, line := range want {
		name, _, _ := strings.Cut(line, "{")
		kind, help := "gauge", "Gaps in the callbacks, one for each module, that are not read from the CRM yet."
		if strings.HasSuffix(name, "_total") {
			kind, help = "counter", "Gaps that were read from the CRM, or that nothing can read from it."
		}
		fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s %s\n%s\n", name, help, name, kind, line)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(text.String()), "crm_bridge_gaps_open", "crm_bridge_gaps_closed_total"); err != nil {
		t.Error(err)
	}
}

// A gap is open, with the reason why it cannot be read, until it was read; then it is remembered as repaired. The metrics follow.
func TestGapsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lister := &answering{}
		lister.set(errors.New("the CRM does not answer"))
		crm := &ingest.CRM{Provider: "acme", Watcher: steady{[]string{"Deals"}}, Lister: lister}
		k, registry := keeping(t, crm)
		time.Sleep(time.Minute)
		k.Missed("acme", "1", time.Now())
		time.Sleep(2 * time.Minute)
		gaps, err := k.Repairs(t.Context(), crm)
		if err != nil || len(gaps.Open) != 1 || len(gaps.Closed) != 0 {
			t.Fatalf("the gaps are %+v, %v", gaps, err)
		}
		if one := gaps.Open[0]; one.Module != "Deals" || one.Cause != "callbacks were refused" || !strings.Contains(one.Problem, "the CRM does not answer") || one.Noted.IsZero() {
			t.Errorf("the open gap is %+v", one)
		}
		shows(t, registry, `crm_bridge_gaps_open{provider="acme"} 1`)
		lister.set(nil)
		time.Sleep(10 * time.Minute)
		gaps, err = k.Repairs(t.Context(), crm)
		if err != nil || len(gaps.Open) != 0 || len(gaps.Closed) != 1 {
			t.Fatalf("the gaps are %+v, %v", gaps, err)
		}
		if one := gaps.Closed[0]; one.Module != "Deals" || one.Problem != "" || one.Records != 1 || one.Closed.IsZero() {
			t.Errorf("the closed gap is %+v", one)
		}
		shows(t, registry, `crm_bridge_gaps_closed_total{provider="acme",result="repaired"} 1`, `crm_bridge_gaps_open{provider="acme"} 0`)
	})
}

// A gap of a module that the CRM cannot list is closed as unrepaired, with the reason; the list of closed gaps is bounded, and those that were
// repaired leave it first.
func TestUnrepairedGapsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lister := &answering{}
		lister.set(fmt.Errorf("the module has no list: %w", ingest.ErrNoList))
		crm := &ingest.CRM{Provider: "acme", Watcher: steady{[]string{"Deals"}}, Lister: lister}
		k, registry := keeping(t, crm)
		time.Sleep(time.Minute)
		k.Missed("acme", "1", time.Now())
		time.Sleep(5 * time.Minute)
		shows(t, registry, `crm_bridge_gaps_closed_total{provider="acme",result="unrepaired"} 1`, `crm_bridge_gaps_open{provider="acme"} 0`)
		lister.set(nil)
		for range 30 {
			k.Missed("acme", "1", time.Now())
			time.Sleep(20 * time.Minute)
		}
		gaps, err := k.Repairs(t.Context(), crm)
		if err != nil || len(gaps.Closed) != 20 {
			t.Fatalf("%d gaps are remembered: %v", len(gaps.Closed), err)
		}
		if last := gaps.Closed[19]; !strings.Contains(last.Problem, "the module has no list") {
			t.Errorf("the oldest is %+v", last)
		}
	})
}
