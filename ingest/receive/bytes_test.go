package receive_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// keyed is plain, but authenticated by ?key=right in its URL, or else by a body that says "ok".
type keyed struct{ plain }

func (keyed) Verify(_ context.Context, cb ingest.Callback) error {
	if cb.Query.Get("key") == "right" || string(cb.Body) == "ok" {
		return nil
	}
	return fmt.Errorf("%w: it has no key", ingest.ErrForged)
}

// budget serves a handler whose bodies may have 8,000 bytes each, and 10,000 together.
func budget(t *testing.T) *httptest.Server {
	t.Helper()
	b := open(func(h *receive.Handler) {
		h.Sources = []ingest.Source{keyed{}}
		h.MaxBody, h.MaxInFlightBytes = 8000, 10_000
	})
	server := httptest.NewServer(b.HTTP())
	t.Cleanup(server.Close)
	return server
}

// begin sends a request, and returns its connection and its answer.
func begin(t *testing.T, server *httptest.Server, text string) (net.Conn, chan int) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() {
		status := 0
		if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			status = response.StatusCode
		}
		answered <- status
	}()
	return conn, answered
}

const (
	lengthHead  = "POST /plain/Deals%s HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n"
	chunkedHead = "POST /plain/Deals%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1b58\r\n" // 7,000 bytes
)

func answeredWithin(t *testing.T, answered chan int) int {
	t.Helper()
	select {
	case status := <-answered:
		return status
	case <-time.After(10 * time.Second):
		t.Fatal("not answered")
		return 0
	}
}

// Of two unfinished bodies that exceed the limit together one is cut with 408, with and without a declared length. Other callbacks are
// still answered.
func TestUnfinishedBodiesAreCut(t *testing.T) {
	for name, head := range map[string]string{"length": lengthHead, "chunks": chunkedHead} {
		t.Run(name, func(t *testing.T) {
			server := budget(t)
			text := fmt.Sprintf(head, "") + strings.Repeat("x", 7000)
			_, first := begin(t, server, text)
			_, second := begin(t, server, text)
			status := 0
			select {
			case status = <-first:
			case status = <-second:
			case <-time.After(10 * time.Second):
			}
			if status != 408 {
				t.Errorf("answered %d", status)
			}
			for range 3 {
				response, err := http.Post(server.URL+"/plain/Deals", "", strings.NewReader("ok"))
				if err != nil {
					t.Fatal(err)
				}
				if _ = response.Body.Close(); response.StatusCode != 200 {
					t.Errorf("a callback was answered %d", response.StatusCode)
				}
			}
		})
	}
}

// A declared length reserves nothing before the body arrives.
func TestDeclaredLengthReservesNothing(t *testing.T) {
	server := budget(t)
	for range 8 {
		begin(t, server, fmt.Sprintf(lengthHead, "")+"x")
	}
	_, answered := begin(t, server, fmt.Sprintf(lengthHead, "?key=right")+strings.Repeat("x", 8000))
	if status := answeredWithin(t, answered); status != 200 {
		t.Errorf("answered %d", status)
	}
}

// An unauthenticated body is cut for one that its URL authenticates, and not the other way round.
func TestProofInTheURLGoesFirst(t *testing.T) {
	server := budget(t)
	ours, answered := begin(t, server, fmt.Sprintf(lengthHead, "?key=right")+strings.Repeat("x", 7000))
	text := fmt.Sprintf(lengthHead, "") + strings.Repeat("x", 8000)
	for range 20 {
		if _, theirs := begin(t, server, text); answeredWithin(t, theirs) == 200 {
			t.Fatal("a stranger was answered 200")
		}
	}
	if _, err := io.WriteString(ours, strings.Repeat("x", 1000)); err != nil {
		t.Fatal(err)
	}
	if status := answeredWithin(t, answered); status != 200 {
		t.Errorf("what the URL authenticates was answered %d", status)
	}
}

// A body as large as both limits is accepted.
func TestBodyAsLongAsTheBudget(t *testing.T) {
	b := open(func(h *receive.Handler) { h.MaxBody, h.MaxInFlightBytes = 100, 100 })
	if response := b.post(strings.Repeat("x", 100)); response.Code != 200 {
		t.Errorf("answered %d", response.Code)
	}
}

// Documents that clients do not read to the end do not block callbacks, and their number is limited.
func TestReadersOfDocumentsAreBounded(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	b := open(func(h *receive.Handler) {
		h.Public = map[string]receive.PublicFile{"/page": func(string) (http.Header, []byte, bool) {
			entered <- struct{}{}
			<-release
			return http.Header{}, nil, true
		}}
	})
	handler := b.HTTP()
	get := func() int {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/page", nil))
		return response.Code
	}
	done := make(chan int)
	for range 64 {
		go func() { done <- get() }()
		<-entered
	}
	if status := get(); status != 503 {
		t.Errorf("one too many was answered %d", status)
	}
	if response := b.post("ok"); response.Code != 200 {
		t.Errorf("a callback was answered %d", response.Code)
	}
	close(release)
	for range 64 {
		if status := <-done; status != 200 {
			t.Errorf("answered %d", status)
		}
	}
}

// While one large callback uses all memory for work, ordinary ones are answered, and another large one waits until its answer timeout.
func TestOrdinaryPassesLarge(t *testing.T) {
	entered, release := make(chan struct{}, 2), make(chan struct{})
	b := open(func(h *receive.Handler) {
		h.MaxBody, h.MaxInFlightBytes, h.PerRecord = 1<<20, 1<<20, true
		h.Accept = func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
			if len(changes[0].Module) > 5 {
				entered <- struct{}{}
				<-release
			}
			return accept(ctx, changes)
		}
	})
	server := httptest.NewServer(b.HTTP())
	defer server.Close()
	post := func(path, body string) int {
		response, err := http.Post(server.URL+path, "", strings.NewReader(body))
		if err != nil {
			return 0
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	large := strings.Repeat("x", 500<<10)
	first := make(chan int, 1)
	go func() { first <- post("/plain/Contacts", large) }()
	<-entered
	if status := post("/plain/Deals", "ok"); status != 200 {
		t.Errorf("an ordinary one was answered %d", status)
	}
	if status := post("/plain/Contacts", large); status != 503 {
		t.Errorf("a second large one was answered %d", status)
	}
	close(release)
	if status := <-first; status != 200 {
		t.Errorf("the first large one was answered %d", status)
	}
}

// A sender that expects 100 Continue is refused before it sends a body that is too large.
func TestTooLongIsNotAskedFor(t *testing.T) {
	server := budget(t)
	_, answered := begin(t, server, "POST /plain/Deals HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 8001\r\n\r\n")
	if status := <-answered; status != 413 {
		t.Errorf("answered %d", status)
	}
}

// After an outage callbacks are accepted at once: only what NATS may still hold stays counted.
func TestOutageHoldsNothing(t *testing.T) {
	for _, one := range []struct {
		name string
		err  error
		want int
	}{{"not sent", ingest.ErrRetry, 200}, {"not answered", ingest.ErrUnanswered, 503}} {
		away := true
		b := open(func(h *receive.Handler) {
			h.MaxBody, h.MaxInFlightBytes, h.AnswerTimeout = 8000, 512<<10, 50*time.Millisecond
			h.Accept = func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
				if away {
					<-ctx.Done()
					return nil, fmt.Errorf("%w: NATS is unreachable", one.err)
				}
				return accept(ctx, changes)
			}
		})
		handler := b.HTTP()
		post := func() int {
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, httptest.NewRequest(http.MethodPost, "/plain/Deals", strings.NewReader(strings.Repeat("x", 8000))))
			return response.Code
		}
		for range 5 {
			if status := post(); status != 503 {
				t.Errorf("%s: answered %d in the outage", one.name, status)
			}
		}
		away = false
		if status := post(); status != one.want {
			t.Errorf("%s: answered %d after the outage", one.name, status)
		}
	}
}
