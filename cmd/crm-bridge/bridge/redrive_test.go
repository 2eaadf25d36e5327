package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// batches is a source of batches: a body is a list of record ids, and those that are odd are malformed until it has learnt them.
type batches struct{ learnt *atomic.Bool }

func (batches) Label() string { return "zoho-webhooks" }

func (batches) Routes() []ingest.Route {
	return []ingest.Route{{Method: http.MethodPost, Path: "/acme/webhooks"}}
}

func (batches) Verify(context.Context, ingest.Callback) error { return nil }

func (batches) Secrets() ingest.Secrets { return ingest.Secrets{} }

func (b batches) Decode(cb ingest.Callback) (changes []ingest.Change, err error) {
	var records []json.RawMessage
	if json.Unmarshal(cb.Body, &records) != nil {
		return nil, ingest.ErrMalformed
	}
	var bad ingest.Partly
	for _, record := range records {
		alone := fmt.Appendf(nil, "[%s]", record)
		if strings.ContainsAny(string(record), "13579") && !b.learnt.Load() {
			bad = append(bad, ingest.Part{Body: alone, Reason: fmt.Errorf("%w: it is odd", ingest.ErrMalformed)})
			continue
		}
		changes = append(changes, ingest.Change{
			Source: b.Label(), Provider: "zoho", Account: "default", Module: "Deals", Operation: "edit", Collection: "/acme/webhooks/Deals", IDs: []string{string(record)},
			ReceivedAt: cb.At, Origin: ingest.Live, NativeOperation: "edit", NativeBody: alone, Alone: alone,
		})
	}
	if len(bad) > 0 {
		return changes, bad
	}
	return changes, nil
}

// runs opens and runs a bridge with one CRM, on a folder of its own.
func runs(t *testing.T, crm *ingest.CRM) (b *Bridge, callbacks string) {
	t.Helper()
	settings, err := config.Load(&config.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	settings.DataDir, settings.Listen, settings.AdminListen, settings.NATS.Listen = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	b, err = Open(t.Context(), settings, []Opener{func(ingest.Setup) (*ingest.CRM, error) { return crm, nil }}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		b.Close()
	})
	return b, "http://" + Reachable(b.Callbacks)
}

// settles requests what the command quarantine requests, and returns its lines.
func settles(t *testing.T, b *Bridge, path string) (lines []quarantine.Redriven) {
	t.Helper()
	token, err := b.data.Secret(datadir.AdminSecret)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+Reachable(b.Admin)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(AdminHeader, token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	for decoder := json.NewDecoder(answer.Body); ; {
		var line quarantine.Redriven
		if err := decoder.Decode(&line); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
}

// A part of a batch is redriven by itself, under the id that it has in quarantine; the good parts are not published again. A dry run
// changes nothing, and what is still malformed stays.
func TestRedriveOfAPart(t *testing.T) {
	source := batches{&atomic.Bool{}}
	b, callbacks := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{source}})
	answer, err := http.Post(callbacks+"/acme/webhooks", "application/json", bytes.NewReader([]byte(`[2,3,4,5]`)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var got struct {
		Events      []ingest.Ack
		Quarantined []struct{ QuarantineID, Detail string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || len(got.Events) != 2 || len(got.Quarantined) != 2 {
		t.Fatalf("answered %s: %+v, %v", answer.Status, got, err)
	}
	odd := got.Quarantined[0].QuarantineID
	if lines := settles(t, b, "/quarantine/redrive?id="+odd); len(lines) != 1 || !strings.Contains(lines[0].Error, "odd") {
		t.Errorf("still malformed, it was redriven: %+v", lines)
	}
	source.learnt.Store(true)
	for range 2 {
		lines := settles(t, b, "/quarantine/redrive?dry-run=true&id="+odd)
		if want := []quarantine.Redriven{{ID: odd, DryRun: true, Events: []ingest.Ack{{Subject: "crm.zoho.Deals.edit"}}}}; cmp.Diff(want, lines) != "" {
			t.Error(cmp.Diff(want, lines))
		}
	}
	lines := settles(t, b, "/quarantine/redrive?id="+odd)
	if len(lines) != 1 || len(lines[0].Events) != 1 || lines[0].Events[0].ID != odd || lines[0].Events[0].Sequence != 3 {
		t.Errorf("redriven: %+v", lines)
	}
	if lines := settles(t, b, "/quarantine/redrive?all=true"); len(lines) != 1 || lines[0].ID != got.Quarantined[1].QuarantineID || lines[0].Error != "" {
		t.Errorf("the other one: %+v", lines)
	}
	if lines := settles(t, b, "/quarantine/redrive?all=true"); lines != nil {
		t.Errorf("left in quarantine: %+v", lines)
	}
}
