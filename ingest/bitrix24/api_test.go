package bitrix24_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24/bitrix24test"
)

// wire takes requests to a handler without a network, so that it works in a synctest bubble. A handler that aborts is a
// connection that breaks.
type wire struct{ handler http.Handler }

func (w wire) RoundTrip(request *http.Request) (response *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint // the very value
				panic(p)
			}
			response, err = nil, io.ErrUnexpectedEOF
		}
	}()
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	arrived := request.Clone(request.Context())
	if arrived.Body == nil {
		arrived.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, arrived)
	return recorder.Result(), nil
}

// memory is a Store that may fail.
type memory struct {
	ingest.Memory

	mu    sync.Mutex
	loads int
	fail  func(key string, value []byte) error // before a Save; nil: never
}

func (m *memory) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	return m.Memory.Load(ctx, key)
}

func (m *memory) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(key, value); err != nil {
			return 0, err
		}
	}
	return m.Memory.Save(ctx, key, value, revision)
}

func (m *memory) text() string { return fmt.Sprint(m.All()) }

// buffer is a log that goroutines may share.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const (
	oauthURL  = "http://oauth.bitrix24.test"
	bridgeURL = "https://crm.example.com"
	handler   = bridgeURL + "/bitrix24/events"
)

// world is a fake Bitrix24 with one portal, and a bridge that it is installed in.
type world struct {
	crm    *bitrix24test.CRM
	portal *bitrix24test.Portal
	secret *memory
	shared *memory
	log    *buffer
	app    *bitrix24.Application
	events []string // callbacks that were proven
}

// newWorld returns a world in which nothing is installed yet.
func newWorld(t *testing.T, wanted string, offline bool) *world {
	t.Helper()
	w := &world{crm: bitrix24test.New(oauthURL), secret: &memory{}, shared: &memory{}, log: &buffer{}}
	w.portal = w.crm.Portal(member)
	w.crm.Callbacks = &http.Client{Transport: wire{http.HandlerFunc(w.callback)}}
	w.app = w.replica(t, wanted, offline)
	return w
}

// replica is another bridge with the same state.
func (w *world) replica(t *testing.T, wanted string, offline bool) *bitrix24.Application {
	t.Helper()
	var config bitrix24.Config
	c := &config.Bitrix24
	c.ClientID, c.ClientSecret, c.Portals, c.Offline, c.OauthURL = w.crm.ClientID, w.crm.ClientSecret, ingest.AccountIDs{member}, offline, oauthURL
	if wanted != "" {
		if err := c.Events.Decode(wanted); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	app, err := bitrix24.NewApplication(config, bridgeURL, w.state(), &http.Client{Transport: wire{w.crm}}, log)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func (w *world) state() ingest.State { return ingest.State{Shared: w.shared, Secret: w.secret} }

// callback takes what is proven.
func (w *world) callback(rw http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	auth := func(name string) string { return r.PostForm.Get("auth[" + name + "]") }
	event := r.PostForm.Get("event")
	err := w.app.Prove(r.Context(), event, bitrix24.Installation{
		MemberID: auth("member_id"), ApplicationToken: auth("application_token"), RefreshToken: auth("refresh_token"),
	})
	switch {
	case err == nil:
		w.events = append(w.events, event+" "+r.PostForm.Get("data[FIELDS][ID]"))
	case errors.Is(err, ingest.ErrForged):
		rw.WriteHeader(http.StatusUnauthorized)
	default:
		rw.WriteHeader(http.StatusServiceUnavailable)
	}
}

// installed returns a world whose application is installed.
func installed(t *testing.T, wanted string, offline bool) *world {
	t.Helper()
	w := newWorld(t, wanted, offline)
	if status := w.portal.Install(handler); status != http.StatusOK {
		t.Fatalf("the installation was answered %d: %s", status, w.log)
	}
	return w
}

// client calls the API of the world's portal with credentials of its own state.
func (w *world) client() *bitrix24.Client {
	return &bitrix24.Client{
		HTTP: &http.Client{Transport: wire{w.crm}}, OAuthURL: oauthURL, ClientID: w.crm.ClientID, ClientSecret: w.crm.ClientSecret,
		State: w.state(), Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}
