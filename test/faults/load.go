//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// The callbacks of the load: where they go, and what a bridge authenticates them with.
const (
	route    = "/zoho/webhooks/Deals/edit"
	secret   = "the-webhook-secret-of-this-test"
	variable = "BRIDGE_ZOHO_WEBHOOK_SECRET"
)

// load is callbacks that are sent from several connections until it is stopped.
type load struct {
	ledger   *ledger
	url      string
	began    time.Time
	stopping atomic.Bool
	senders  sync.WaitGroup
}

// reply is what a sender learns about one callback.
type reply struct {
	outcome    outcome
	id         uuid.UUID
	sequence   uint64
	retryAfter bool
	took       time.Duration
	what       string
}

// answerWithin is longer than any bridge here takes to answer.
const answerWithin = 20 * time.Second

// send starts the load. Each connection sends its next callback when the one before is answered; after anything but a 200
// it waits a moment, as a CRM would.
func send(ctx context.Context, l *ledger, url string, connections int) *load {
	s := &load{ledger: l, began: time.Now(), url: url + route}
	for connection := range connections {
		s.senders.Go(func() {
			// One connection and no spare ones, which a client would use at the very moment in which a bridge that ends closes them.
			client := &http.Client{Timeout: answerWithin, Transport: &http.Transport{MaxConnsPerHost: 1}}
			defer client.CloseIdleConnections()
			for !s.stopping.Load() && ctx.Err() == nil {
				n, ok := l.begin(connection)
				if !ok {
					return
				}
				r := s.post(ctx, client, fmt.Appendf(nil, `{"id":"%d","padding":"%s"}`, n, padding))
				if l.end(n, r); r.outcome != answered {
					_ = pass(ctx, afterRefusal)
				}
			}
		})
	}
	return s
}

// afterRefusal is how long a sender waits after anything but a 200.
const afterRefusal = 20 * time.Millisecond

// stop ends the load when every callback that is under way has its answer.
func (s *load) stop() {
	s.stopping.Store(true)
	s.senders.Wait()
	s.ledger.loaded(time.Since(s.began))
}

// post sends one callback.
func (s *load) post(ctx context.Context, client *http.Client, body []byte) (r reply) {
	began := time.Now()
	defer func() { r.took = time.Since(began) }()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return reply{outcome: unanswered, what: err.Error()}
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "X-Webhook-Secret": {secret}}
	response, err := client.Do(request)
	if err != nil {
		return reply{outcome: unanswered, what: err.Error()}
	}
	text, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return reply{outcome: unanswered, what: err.Error()}
	}
	switch response.StatusCode {
	case http.StatusOK:
		return accepted(text)
	case http.StatusServiceUnavailable:
		return reply{outcome: refused, retryAfter: response.Header.Get("Retry-After") != ""}
	}
	return reply{outcome: other, what: fmt.Sprintf("%d %s", response.StatusCode, text)}
}

// accepted reads a 200, which names one event.
func accepted(text []byte) reply {
	var got struct {
		Events []struct {
			ID       uuid.UUID
			Sequence uint64
		}
	}
	if err := json.Unmarshal(text, &got); err != nil || len(got.Events) != 1 {
		return reply{outcome: other, what: fmt.Sprintf("200 %s (%v)", text, err)}
	}
	return reply{outcome: answered, id: got.Events[0].ID, sequence: got.Events[0].Sequence}
}

var padding = string(bytes.Repeat([]byte("x"), 500))
