package receive_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// unread is an answer that nobody reads.
type unread struct{ header http.Header }

func (u *unread) Header() http.Header           { return u.header }
func (*unread) Write(p []byte) (int, error)     { return len(p), nil }
func (*unread) WriteHeader(int)                 {}
func (*unread) SetReadDeadline(time.Time) error { return nil }

// What a callback costs in this package, beside its Source and Accept: limits, body, answer, log line and metrics.
func BenchmarkHandler(b *testing.B) {
	handler := open(func(h *receive.Handler) {
		h.MaxBody, h.MaxInFlight, h.AnswerTimeout, h.Log = 1<<20, 2048, 5*time.Second, slog.New(slog.NewJSONHandler(io.Discard, nil))
	}).HTTP()
	body := bytes.Repeat([]byte("x"), 497)
	request, err := http.NewRequest(http.MethodPost, "http://bridge.example/plain/Deals", nil)
	if err != nil {
		b.Fatal(err)
	}
	request.RequestURI, request.RemoteAddr, request.ContentLength = "/plain/Deals", "192.0.2.1:4711", int64(len(body))
	request.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"Zoho"}, "Content-Length": {"497"}}
	from := bytes.NewReader(body)
	request.Body = io.NopCloser(from)
	answer := &unread{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		from.Reset(body)
		clear(answer.header)
		handler.ServeHTTP(answer, request)
	}
}
