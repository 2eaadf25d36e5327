package receive_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
)

// unread is an answer that nobody reads.
type unread struct {
	header http.Header
	status int
}

func (u *unread) Header() http.Header           { return u.header }
func (*unread) Write(p []byte) (int, error)     { return len(p), nil }
func (u *unread) WriteHeader(status int)        { u.status = status }
func (*unread) SetReadDeadline(time.Time) error { return nil }

// posted is the body of a request, which ends with its last bytes, as that of net/http.
type posted struct{ bytes.Reader }

func (p *posted) Read(into []byte) (int, error) {
	n, err := p.Reader.Read(into)
	if p.Len() == 0 {
		err = io.EOF
	}
	return n, err
}

func (*posted) Close() error { return nil }

// What a callback costs in this package, beside its Source and Accept: limits, body, answer, log line and metrics.
func BenchmarkHandler(b *testing.B) {
	benchmark(b, plain{}, "/plain/Deals", strings.Repeat("x", 497))
}

// What the notification of docs/performance.md costs from its request to its answer, beside Accept: with a configured token, and with
// the token and the notify URL of a channel that the bridge keeps.
func BenchmarkNotification(b *testing.B) {
	const channel, secret = "1000000068001", "a-secret-of-this-benchmark-alone"
	derived := func(text string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	for name, test := range map[string]struct {
		source       *zoho.Notifications
		token, query string
	}{
		"configured": {&zoho.Notifications{Account: "default", Tokens: ingest.Tokens{channel: {secret}}}, secret, ""},
		"derived": {
			&zoho.Notifications{Account: "default", TokenSecrets: ingest.SecretList{secret}},
			derived(channel), "?channel=" + channel + "&proof=" + derived("proof\n"+channel),
		},
	} {
		b.Run(name, func(b *testing.B) {
			benchmark(b, test.source, "/zoho/notifications"+test.query,
				`{"server_time":1718115953625,"affected_values":[{"record_id":"5725000000000000001","values":{"Mobile":"+49 151 23456789",`+
					`"Email":"ada.lovelace@example.com","Lead_Status":"Contacted","City":"Berlin"}}],"query_params":{},"module":"Leads",`+
					`"resource_uri":"https://www.zohoapis.com/crm/v2/Leads","ids":["5725000000000000001"],"affected_fields":[{"5725000000000000001":`+
					`["Mobile","Email","Lead_Status","City"]}],"operation":"update","channel_id":"`+channel+`","token":"`+test.token+`"}`)
		})
	}
}

func benchmark(b *testing.B, source ingest.Source, path, body string) {
	acks := []ingest.Ack{{ID: "0198c5a1-7d3e-7cc0-8000-000000000001", Subject: "crm.zoho.Leads.edit", Stream: "CRM", Sequence: 7}}
	handler := open(func(h *receive.Handler) {
		h.Sources = []ingest.Source{source}
		h.Accept = func(context.Context, []ingest.Change) ([]ingest.Ack, error) { return acks, nil }
		h.MaxBody, h.MaxInFlight, h.AnswerTimeout, h.Log = 1<<20, 2048, 5*time.Second, slog.New(slog.NewJSONHandler(io.Discard, nil))
	}).HTTP()
	from, raw := &posted{}, []byte(body)
	request, err := http.NewRequest(http.MethodPost, "http://bridge.example"+path, from)
	if err != nil {
		b.Fatal(err)
	}
	request.RequestURI, request.RemoteAddr, request.ContentLength = path, "192.0.2.1:4711", int64(len(body))
	request.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"Zoho"}, "Content-Length": {strconv.Itoa(len(body))}}
	answer := &unread{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		from.Reset(raw)
		clear(answer.header)
		handler.ServeHTTP(answer, request)
		if answer.status != http.StatusOK {
			b.Fatal(answer.status)
		}
	}
}
