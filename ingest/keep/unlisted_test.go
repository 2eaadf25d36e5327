package keep_test

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
)

// lossy is a queue that has lost changes.
type lossy struct{ gap ingest.Gap }

func (l lossy) Drain(_ context.Context, _ ingest.State, _ ingest.Accept, note func(ingest.Gap) error) error {
	return note(l.gap)
}

// Where nothing can be read from the CRM, the log says that changes are lost, and no repair waits endlessly.
func TestGapThatNothingCanRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		state := ingesttest.State()
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		crm := &ingest.CRM{Provider: "acme", Drainer: lossy{ingest.Gap{Account: "1", Module: "Deals", Since: time.Now(), Until: time.Now()}}}
		keeper := &keep.Keeper{
			CRMs: []*ingest.CRM{crm}, State: state, Ready: func(context.Context) bool { return true }, Replica: "one",
			Metrics: keep.NewKeeperMetrics(prometheus.NewRegistry()), Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		keeper.Run(ctx)
		if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "changes may be lost") || !strings.Contains(text, "account=1 module=Deals") {
			t.Error(text)
		}
		gaps, err := keeper.Repairs(t.Context(), crm)
		if err != nil || len(gaps.Open) != 0 || len(gaps.Closed) != 1 || gaps.Closed[0].Module != "Deals" || !strings.Contains(gaps.Closed[0].Problem, "no credentials") {
			t.Errorf("the gaps are %+v, %v", gaps, err)
		}
	})
}

// Where the bridge keeps no subscription, it does not know what refused callbacks were about: the log says that nothing is read.
func TestRefusalsWithoutSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		keeper := &keep.Keeper{
			CRMs:  []*ingest.CRM{{Provider: "acme", Lister: nothing{}}},
			State: ingesttest.State(), Ready: func(context.Context) bool { return true }, Replica: "one",
			Metrics: keep.NewKeeperMetrics(prometheus.NewRegistry()), Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		keeper.Missed("acme", "", time.Now())
		keeper.Run(ctx)
		if text := log.String(); !strings.Contains(text, "run a backfill") || strings.Contains(text, "reading from the CRM") {
			t.Error(text)
		}
	})
}

// nothing is a Lister of nothing.
type nothing struct{}

func (nothing) Changed(context.Context, ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(func(ingest.Page, error) bool) {}
}
