package ingesttest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// door is an ingest.Handler that keeps in memory all that passes it.
type door struct {
	url      string
	log      lockedBuffer
	registry *prometheus.Registry
	mu       sync.Mutex
	events   [][]byte
	kept     [][]byte
	answers  []string
}

func open(t *testing.T, crm *ingest.CRM) *door {
	m := mapping(t, crm)
	d := &door{registry: prometheus.NewRegistry()}
	handler := &receive.Handler{
		Sources: crm.Sources,
		MaxBody: 1 << 20, MaxInFlight: 16, AnswerTimeout: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(&d.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: receive.NewMetrics(d.registry),
		Accept: func(_ context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
			var acks []ingest.Ack
			for _, change := range changes {
				events, err := encoded(m, change)
				if err != nil {
					return nil, err
				}
				d.mu.Lock()
				d.events = append(d.events, events...)
				d.mu.Unlock()
				acks = append(acks, ingest.Ack{ID: "id", Stream: "CRM", Sequence: 1})
			}
			return acks, nil
		},
		Quarantine: func(_ context.Context, cb ingest.Callback, reason error) (string, error) {
			kept, err := m.Redact.Quarantine("id", cb, reason)
			d.mu.Lock()
			defer d.mu.Unlock()
			d.kept = append(d.kept, kept)
			return "quarantined", err
		},
	}
	server := httptest.NewServer(handler.HTTP())
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

func (d *door) post(t *testing.T, method, target string, header http.Header, body []byte) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, d.url+target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	d.answers = append(d.answers, string(answer))
	return response.StatusCode, string(answer)
}

// findSecrets fails if one of secrets stands in anything that left the door.
func (d *door) findSecrets(t *testing.T, secrets []string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]string{"log": d.log.String(), "metrics": d.metrics(t), "answer": strings.Join(d.answers, "\n")}
	out["event"] = string(bytes.Join(d.events, []byte("\n")))
	out["quarantine"] = string(bytes.Join(d.kept, []byte("\n")))
	for where, text := range out {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("the %s shows the secret %q: %s", where, secret, text)
			}
		}
	}
}

func (d *door) metrics(t *testing.T) string {
	t.Helper()
	families, err := d.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
