package bridge

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// unsure is a source that can authenticate nobody now, and a CRM whose records nobody has changed.
type unsure struct{}

func (unsure) Label() string { return "acme-webhooks" }

func (unsure) Routes() []ingest.Route {
	return []ingest.Route{{Method: http.MethodPost, Path: "/acme/webhooks"}}
}

func (unsure) Verify(context.Context, ingest.Callback) error { return ingest.ErrUnasked }

func (unsure) Decode(ingest.Callback) ([]ingest.Change, error) { return nil, ingest.ErrMalformed }

func (unsure) Secrets() ingest.Secrets { return ingest.Secrets{} }

func (unsure) Changed(context.Context, ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(func(ingest.Page, error) bool) {}
}

// Callbacks that may have been the CRM's, and that wait to be reported together, are stored as a gap when the bridge ends.
func TestMissedCallbacksOutliveTheBridge(t *testing.T) {
	settings, err := config.Load(&config.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	settings.DataDir, settings.Listen, settings.AdminListen, settings.NATS.Listen = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	acme := func(ingest.Setup) (*ingest.CRM, error) {
		return &ingest.CRM{Provider: "acme", Sources: []ingest.Source{unsure{}}, Lister: unsure{}}, nil
	}
	b, err := Open(t.Context(), settings, []Opener{acme}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Keeper.Remember(t.Context(), b.CRMs[0], []ingest.Channel{{Provider: "acme", Account: "one", ID: "1", Modules: []string{"Deals"}, State: "active"}}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	var last time.Time
	for range 2 {
		last = time.Now()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+Reachable(b.Callbacks)+"/acme/webhooks", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _ = answer.Body.Close(); answer.StatusCode != http.StatusServiceUnavailable {
			t.Fatal(answer.Status)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	stored, _, err := b.Keeper.State.Shared.Load(t.Context(), "repairs.acme")
	if err != nil {
		t.Fatal(err)
	}
	var repairs struct{ Jobs []ingest.Gap }
	if err := json.Unmarshal(stored, &repairs); err != nil || len(repairs.Jobs) != 1 || repairs.Jobs[0].Until.Before(last) {
		t.Errorf("a callback was refused at %s: %s, %v", last.UTC(), stored, err)
	}
}
