package keep

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// losing is a queue that has lost what changed in a gap, and that stays in the queue until the gap is noted.
type losing struct{ waiting *ingest.Gap }

func (l *losing) Drain(_ context.Context, _ ingest.State, _ ingest.Accept, note func(ingest.Gap) error) error {
	if l.waiting == nil {
		return nil
	}
	if err := note(*l.waiting); err != nil {
		return err
	}
	l.waiting = nil
	return nil
}

// What a queue has lost is stored as a gap before the queue forgets it, and is then read from the CRM.
func TestGapOfAQueueIsStored(t *testing.T) {
	store := &down{}
	lost := gap("Deals", 1, 2).Gap
	queue := &losing{&lost}
	k := newKeeping(&Keeper{
		State: ingest.State{Shared: store, Secret: &ingest.Memory{}}, Ready: func(context.Context) bool { return true },
		Metrics: NewKeeperMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
	}, &ingest.CRM{Provider: "crm", Drainer: queue, Lister: struct{ ingest.Lister }{}})
	store.is = true
	if err := k.drainWhenDue(t.Context()); !errors.Is(err, errDown) || queue.waiting == nil {
		t.Errorf("the gap was not stored, and yet: %v", err)
	}
	store.is, k.drained = false, minute(0)
	if err := k.drainWhenDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if gaps := gapsOf(t, &k.repairer); len(gaps) != 1 || gaps[0].Gap != lost || gaps[0].Ours {
		t.Errorf("gaps %+v", gaps)
	}
}
