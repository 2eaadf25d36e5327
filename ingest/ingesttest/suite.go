// Package ingesttest holds what every ingest.Source must satisfy.
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

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// Suite describes a source to be tested.
type Suite struct {
	Label    string
	Source   ingest.Source
	Genuine  []Genuine
	Events   func(ingest.Change) ([][]byte, error)                           // what would leave for a stream
	Keep     func(cb ingest.Callback, reason error) (kept []byte, err error) // what would be kept in quarantine
	NoSample bool                                                            // the source is no ingest.Sampler
}

// Genuine is a callback as the CRM sends it.
type Genuine struct {
	Name    string
	Method  string
	Target  string // path and query
	Header  http.Header
	Body    []byte
	Secrets []string // every secret that the callback carries; the first proves it
}

// Run checks that the source accepts what is genuine and refuses what is not, and that no secret leaves on any path.
func Run(t *testing.T, s Suite) {
	t.Run("routes", func(t *testing.T) { s.routes(t) })
	for _, g := range s.Genuine {
		t.Run(g.Name, func(t *testing.T) {
			t.Run("is accepted and leaves no secret", func(t *testing.T) { s.accepted(t, g) })
			t.Run("is refused without its proof", func(t *testing.T) { s.forged(t, g) })
			t.Run("cut off anywhere leaves no secret", func(t *testing.T) { s.truncated(t, g) })
		})
	}
	if !s.NoSample {
		t.Run("decodes its own samples", func(t *testing.T) { s.samples(t) })
	}
}

func (s Suite) routes(t *testing.T) {
	seen := map[ingest.Route]bool{}
	for _, route := range s.Source.Routes() {
		if !strings.HasPrefix(route.Path, "/") || route.Method == "" || seen[route] {
			t.Errorf("route %+v is incomplete or given twice", route)
		}
		seen[route] = true
	}
	if len(seen) == 0 {
		t.Error("the source answers no route")
	}
}

func (s Suite) accepted(t *testing.T, g Genuine) {
	door := s.open(t)
	status, answer := door.post(t, g.Method, g.Target, g.Header, g.Body)
	if status != http.StatusOK {
		t.Fatalf("answered %d: %s", status, answer)
	}
	if len(door.events) == 0 {
		t.Fatal("made no event")
	}
	door.findSecrets(t, g.Secrets)
}

func (s Suite) forged(t *testing.T, g Genuine) {
	proof := g.Secrets[0]
	for _, fake := range []string{"", "x", proof[:len(proof)-1], proof + "x", strings.Repeat("a", len(proof))} {
		door := s.open(t)
		target := strings.ReplaceAll(g.Target, proof, fake)
		body := bytes.ReplaceAll(g.Body, []byte(proof), []byte(fake))
		header := http.Header{}
		for name, values := range g.Header {
			for _, value := range values {
				header.Add(name, strings.ReplaceAll(value, proof, fake))
			}
		}
		status, answer := door.post(t, g.Method, target, header, body)
		if status != http.StatusUnauthorized {
			t.Errorf("with the proof %q it was answered %d: %s", fake, status, answer)
		}
		if len(door.events)+len(door.kept) > 0 {
			t.Errorf("with the proof %q something was kept", fake)
		}
		for _, word := range []string{"token", "secret", "proof\"", "channel"} {
			if strings.Contains(strings.ToLower(answer), word) {
				t.Errorf("the answer says what was wrong with the proof: %s", answer)
			}
		}
		door.findSecrets(t, g.Secrets[1:])
	}
}

func (s Suite) truncated(t *testing.T, g Genuine) {
	for cut := 0; cut < len(g.Body); cut += 1 + len(g.Body)/97 {
		door := s.open(t)
		status, answer := door.post(t, g.Method, g.Target, g.Header, g.Body[:cut])
		if status != 200 && status != 400 && status != 401 {
			t.Errorf("cut at %d it was answered %d: %s", cut, status, answer)
		}
		door.findSecrets(t, g.Secrets)
		if t.Failed() {
			return
		}
	}
}

func (s Suite) samples(t *testing.T) {
	maker, ok := s.Source.(ingest.Sampler)
	if !ok {
		t.Fatal("the source makes no samples")
	}
	if prover, ok := s.Source.(ingest.Prover); !ok {
		t.Error("it does not say what authenticates its samples")
	} else if variable, _ := prover.Proof(); !strings.HasPrefix(variable, "BRIDGE_") {
		t.Errorf("its samples are authenticated with %q, which is no variable", variable)
	}
	for _, operation := range []string{"create", "edit", "delete"} {
		want := ingest.Change{Module: "Deals", Operation: operation, IDs: []string{"12345678901234567890"}, OccurredAt: time.UnixMilli(1718115953625).UTC(), ReceivedAt: time.UnixMilli(1718115953700).UTC()}
		cb, err := maker.Sample(want, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Source.Verify(t.Context(), cb); err != nil {
			t.Errorf("its own sample: %v", err)
		}
		changes, err := s.Source.Decode(cb)
		if err != nil || len(changes) != 1 {
			t.Fatalf("its own sample decodes to %d changes: %v", len(changes), err)
		}
		got := changes[0]
		if got.Module != want.Module || got.Operation != want.Operation || len(got.IDs) != 1 || got.IDs[0] != want.IDs[0] {
			t.Errorf("sampled %s %s %v, decoded %s %s %v", want.Module, want.Operation, want.IDs, got.Module, got.Operation, got.IDs)
		}
	}
}

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

func (s Suite) open(t *testing.T) *door {
	d := &door{registry: prometheus.NewRegistry()}
	handler := &receive.Handler{
		Sources: map[string]ingest.Source{s.Label: s.Source},
		MaxBody: 1 << 20, MaxInFlight: 16, AnswerTimeout: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(&d.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: receive.NewMetrics(d.registry),
		Accept: func(_ context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
			var acks []ingest.Ack
			for _, change := range changes {
				events, err := s.Events(change)
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
			kept, err := s.Keep(cb, reason)
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
