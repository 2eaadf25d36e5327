package bitrix24_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// From its installation to its end, with no token configured: a portal installs the application, is bound to the bridge,
// what changes there is proven and taken, and after the uninstallation nothing of it is believed any more.
func TestLifeOfAnInstallation(t *testing.T) {
	w := newWorld(t, "Deal.all", false)
	source, err := openEvents(ingest.Setup{Env: func(any) error { return nil }, MadeSecret: func(string) (string, error) { return "made", nil }})
	if err != nil {
		t.Fatal(err)
	}
	source.(*bitrix24.Events).Installations = w.app.Installations
	taken := newTaken(t)
	bridge := &receive.Handler{
		Sources: []ingest.Source{source}, Accept: taken.accept, MaxBody: 1 << 20, MaxInFlight: 9, AnswerTimeout: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(w.log, nil)), Metrics: receive.NewMetrics(prometheus.NewRegistry()),
		Quarantine: func(context.Context, ingest.Callback, error) (string, error) { return "kept", nil },
	}
	w.crm.Callbacks = &http.Client{Transport: wire{bridge.HTTP()}}
	if status := w.portal.Install(handler); status != http.StatusOK {
		t.Fatalf("the installation was answered %d\n%s", status, w.log)
	}
	watch(t, w)
	w.portal.Put(2, 5, nil)
	w.portal.Put(2, 5, nil)
	w.portal.Delete(2, 5)
	if len(taken.events) != 3 || w.portal.Missed() != 0 {
		t.Fatalf("of three changes %v were taken\n%s", taken.events, w.log)
	}
	if status := w.portal.Uninstall(handler); status != http.StatusOK {
		t.Fatalf("the uninstallation was answered %d", status)
	}
	w.portal.Bind("ONCRMDEALADD", handler)
	w.portal.Put(2, 6, nil)
	if len(taken.events) != 3 || w.portal.Missed() != 1 {
		t.Errorf("after the uninstallation %v were taken", taken.events)
	}
}
