package receive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// plain is a source whose body says what becomes of it.
type plain struct{}

func (plain) Routes() []ingest.Route {
	return []ingest.Route{{Method: http.MethodPost, Path: "/plain/{module}"}}
}
func (plain) Label() string           { return "plain" }
func (plain) Secrets() ingest.Secrets { return ingest.Secrets{} }

func (plain) Verify(_ context.Context, cb ingest.Callback) error {
	switch string(cb.Body) {
	case "forged":
		return fmt.Errorf("%w: the reason is for the operator", ingest.ErrForged)
	case "panic":
		panic("a bug")
	}
	return nil
}

func (plain) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	switch string(cb.Body) {
	case "malformed":
		return nil, fmt.Errorf("%w: the reason is for the caller", ingest.ErrMalformed)
	case "nothing":
		return nil, nil
	}
	return []ingest.Change{{Module: cb.Params["module"], Operation: "edit", IDs: []string{"1"}}}, nil
}

func accept(context.Context, []ingest.Change) ([]ingest.Ack, error) {
	return []ingest.Ack{{ID: "id", Subject: "crm.plain.Deals.edit", Stream: "CRM", Sequence: 7}}, nil
}

func keep(context.Context, ingest.Callback, error) (string, error) { return "q1", nil }

type bench struct {
	*receive.Handler
	log      lines
	registry *prometheus.Registry
}

// lines is a log that timers may write to as well.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func open(change func(*receive.Handler)) *bench {
	b := &bench{registry: prometheus.NewRegistry()}
	b.Handler = &receive.Handler{
		Sources: []ingest.Source{plain{}}, Accept: accept, Quarantine: keep,
		MaxBody: 100, MaxInFlight: 10, AnswerTimeout: time.Second, Metrics: receive.NewMetrics(b.registry),
		Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	}
	if change != nil {
		change(b.Handler)
	}
	return b
}

func (b *bench) post(body string, header ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/plain/Deals", strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response := httptest.NewRecorder()
	b.HTTP().ServeHTTP(response, request)
	return response
}

// Each fate of a callback has its status and its words, and refusals come as problem documents.
func TestAnswers(t *testing.T) {
	failing := func(err error) func(*receive.Handler) {
		return func(h *receive.Handler) {
			h.Accept = func(context.Context, []ingest.Change) ([]ingest.Ack, error) { return nil, err }
		}
	}
	for _, test := range []struct {
		name, body string
		change     func(*receive.Handler)
		status     int
		contains   string
		outcome    string
	}{
		{"accepted", "ok", nil, 200, `{"events":[{"id":"id","subject":"crm.plain.Deals.edit","stream":"CRM","sequence":7}]}`, "accepted"},
		{"no event needed", "nothing", nil, 200, `{"events":[]}`, "accepted"},
		{"forged", "forged", nil, 401, `"status":401`, "forged"},
		{"malformed", "malformed", nil, 400, `"quarantineId":"q1"`, "malformed"},
		{"malformed and not kept", "malformed", func(h *receive.Handler) {
			h.Quarantine = func(context.Context, ingest.Callback, error) (string, error) { return "", errors.New("full") }
		}, 503, `"status":503`, "retry"},
		{"not a valid event", "ok", failing(ingest.ErrMalformed), 400, `"quarantineId":"q1"`, "malformed"},
		{"not safe", "ok", failing(fmt.Errorf("%w: the broker is away", ingest.ErrRetry)), 503, `"status":503`, "retry"},
		{"an error of no fate", "ok", failing(errors.New("what?")), 503, `"status":503`, "retry"},
		{"too large for the stream", "ok", failing(ingest.ErrTooLarge), 413, `"status":413`, "too_large"},
		{"too long", strings.Repeat("x", 101), nil, 413, `"status":413`, "too_large"},
		{"panic", "panic", nil, 500, `"status":500`, "failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := open(test.change)
			response := b.post(test.body)
			if response.Code != test.status || !strings.Contains(response.Body.String(), test.contains) {
				t.Errorf("answered %d: %s", response.Code, response.Body)
			}
			if response.Code == 200 && response.Header().Get("Content-Type") != "application/json" {
				t.Errorf("content type %q", response.Header().Get("Content-Type"))
			}
			if response.Code != 200 && response.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type %q", response.Header().Get("Content-Type"))
			}
			if (response.Code == 503) != (response.Header().Get("Retry-After") != "") {
				t.Errorf("Retry-After %q on a %d", response.Header().Get("Retry-After"), response.Code)
			}
			if strings.Contains(response.Body.String(), "operator") || strings.Contains(response.Body.String(), "broker") {
				t.Errorf("tells the caller too much: %s", response.Body)
			}
			if lines := strings.Count(b.log.String(), "source=plain"); lines != 1 {
				t.Errorf("%d log lines: %s", lines, b.log.String())
			}
			want := fmt.Sprintf("# HELP crm_bridge_callbacks_total Callbacks answered, by what became of them.\n# TYPE crm_bridge_callbacks_total counter\ncrm_bridge_callbacks_total{outcome=%q,source=\"plain\"} 1\n", test.outcome)
			if err := testutil.GatherAndCompare(b.registry, strings.NewReader(want), "crm_bridge_callbacks_total"); err != nil {
				t.Error(err)
			}
		})
	}
}

// The operator reads in the log why a callback was refused.
func TestRefusalIsExplainedInTheLog(t *testing.T) {
	b := open(nil)
	b.post("forged")
	if !strings.Contains(b.log.String(), "the reason is for the operator") {
		t.Errorf("log: %s", b.log.String())
	}
}

// What HTTP itself settles is settled as HTTP says.
func TestHTTP(t *testing.T) {
	b := open(nil)
	for _, test := range []struct {
		method, path string
		status       int
	}{{"GET", "/plain/Deals", 405}, {"POST", "/elsewhere", 404}, {"POST", "/plain", 404}, {"POST", "/plain/Deals/x", 404}} {
		response := httptest.NewRecorder()
		b.HTTP().ServeHTTP(response, httptest.NewRequest(test.method, test.path, nil))
		var problem struct{ Status int }
		if err := json.Unmarshal(response.Body.Bytes(), &problem); err != nil || response.Code != test.status || problem.Status != test.status {
			t.Errorf("%s %s answered %d: %s", test.method, test.path, response.Code, response.Body)
		}
		if test.status == 405 && !strings.Contains(response.Header().Get("Allow"), "POST") {
			t.Errorf("Allow: %q", response.Header().Get("Allow"))
		}
	}
	if response := b.post("ok", "Content-Encoding", "gzip"); response.Code != 415 {
		t.Errorf("a compressed body was answered %d", response.Code)
	}
}

// A body without a length is cut at the limit too.
func TestChunkedBodyIsBounded(t *testing.T) {
	b := open(nil)
	request := httptest.NewRequest(http.MethodPost, "/plain/Deals", io.MultiReader(strings.NewReader(strings.Repeat("x", 60)), strings.NewReader(strings.Repeat("x", 60))))
	request.ContentLength = -1
	response := httptest.NewRecorder()
	b.HTTP().ServeHTTP(response, request)
	if response.Code != 413 {
		t.Errorf("answered %d", response.Code)
	}
}

// Requests beyond the bound are refused at once, and counted; those within it are not disturbed.
func TestInFlightIsBounded(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	b := open(func(h *receive.Handler) {
		h.MaxInFlight = 1
		h.Accept = func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
			close(entered)
			<-release
			return accept(ctx, changes)
		}
	})
	server := httptest.NewServer(b.HTTP())
	defer server.Close()
	first := make(chan int, 1)
	go func() {
		response, err := http.Post(server.URL+"/plain/Deals", "", strings.NewReader("ok"))
		if err != nil {
			first <- 0
			return
		}
		_ = response.Body.Close()
		first <- response.StatusCode
	}()
	<-entered
	response, err := http.Post(server.URL+"/plain/Deals", "", strings.NewReader("ok"))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
		t.Errorf("the second was answered %d", response.StatusCode)
	}
	close(release)
	if status := <-first; status != 200 {
		t.Errorf("the first was answered %d", status)
	}
	if got, err := testutil.GatherAndCount(b.registry, "crm_bridge_limit_hits_total"); err != nil || got != 1 {
		t.Errorf("%d limits counted: %v", got, err)
	}
}

// A CRM that hangs up has told us all the same: its event is still made safe. Only the answer timeout ends the work.
func TestHangUpDoesNotCancel(t *testing.T) {
	done := make(chan error, 1)
	ctx, hangUp := context.WithCancel(t.Context())
	b := open(func(h *receive.Handler) {
		h.Accept = func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
			hangUp()
			done <- ctx.Err()
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the work has no time limit")
			}
			return accept(ctx, changes)
		}
	})
	request := httptest.NewRequest(http.MethodPost, "/plain/Deals", strings.NewReader("ok")).WithContext(ctx)
	b.HTTP().ServeHTTP(httptest.NewRecorder(), request)
	if err := <-done; err != nil {
		t.Errorf("cancelled: %v", err)
	}
}

// The trace of the request reaches the change; what is no trace does not.
func TestTraceParent(t *testing.T) {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for header, want := range map[string]string{
		trace: trace, "nonsense": "", "": "", "00-00000000000000000000000000000000-00f067aa0ba902b7-01": "", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01": "", "ff" + trace[2:]: "", trace + "-x": "", "01" + trace[2:] + "-x": "01" + trace[2:],
		"cc" + trace[2:] + "-" + strings.Repeat("x", 500): "cc" + trace[2:], "01" + trace[2:] + ".x": "", trace[:54]: "", strings.ToUpper(trace): "",
	} {
		got := "unset"
		b := open(func(h *receive.Handler) {
			h.Accept = func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
				got = changes[0].TraceParent
				return accept(ctx, changes)
			}
		})
		b.post("ok", "traceparent", header)
		if got != want {
			t.Errorf("traceparent %q became %q", header, got)
		}
	}
}
