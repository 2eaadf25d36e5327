package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

// load sends callbacks until it is stopped.
type load struct {
	ledger  *ledger
	client  *http.Client
	url     string
	secret  string
	proxy   *background
	stopped context.CancelFunc
	senders sync.WaitGroup
}

// reply is the answer to one callback.
type reply struct {
	outcome outcome
	id      uuid.UUID
	what    string
}

// answerWithin is longer than a bridge takes to answer.
const answerWithin = 15 * time.Second

// send starts the load. Callbacks go through the API server's proxy of the Service, which sends them to ready pods, as kube-proxy does,
// and needs neither an image for a load pod nor a way in from outside.
func send(ctx context.Context, s *site, l *ledger, secret string) (*load, error) {
	proxy, socket, err := s.proxy(ctx)
	if err != nil {
		return nil, fmt.Errorf("reach the Service of the bridge: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	transport := &http.Transport{
		MaxIdleConnsPerHost: s.connections,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}
	to := &load{
		ledger: l, client: &http.Client{Timeout: answerWithin, Transport: transport}, secret: secret, proxy: proxy, stopped: cancel,
		url: fmt.Sprintf("http://localhost/api/v1/namespaces/%s/services/%s:80/proxy/zoho/webhooks/Deals/edit", s.namespace, name),
	}
	for range s.connections {
		to.senders.Go(func() { to.sendEach(ctx, time.Duration(s.connections)*time.Second/time.Duration(s.rate)) })
	}
	return to, nil
}

// sendEach sends a callback at each tick; while one waits for its answer, ticks are skipped.
func (s *load) sendEach(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		n, ok := s.ledger.begin()
		if !ok {
			return
		}
		// Not the load's own context: what is in flight when the load is stopped is answered first.
		s.ledger.end(n, s.post(context.WithoutCancel(ctx), n))
	}
}

// stop ends the load when every callback in flight is answered.
func (s *load) stop() {
	s.stopped()
	s.senders.Wait()
	s.client.CloseIdleConnections()
	s.proxy.close()
}

// post sends one callback. Only an answer of the bridge itself counts as one.
func (s *load) post(ctx context.Context, n int) reply {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(fmt.Appendf(nil, `{"id":"%d"}`, n)))
	if err != nil {
		return reply{what: err.Error()}
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "X-Webhook-Secret": {s.secret}}
	response, err := s.client.Do(request)
	if err != nil {
		return reply{what: err.Error()}
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return reply{what: err.Error()}
	}
	bridges := response.Header.Get("Content-Type") == "application/problem+json"
	switch {
	case response.StatusCode == http.StatusOK:
		return accepted(text)
	case bridges && response.StatusCode == http.StatusServiceUnavailable:
		return reply{outcome: refused}
	case bridges:
		return reply{outcome: other, what: fmt.Sprintf("%d %s", response.StatusCode, text)}
	}
	return reply{what: fmt.Sprintf("%d %s", response.StatusCode, text)}
}

// accepted reads a 200, which names one event.
func accepted(text []byte) reply {
	var got struct{ Events []struct{ ID uuid.UUID } }
	if err := json.Unmarshal(text, &got); err != nil || len(got.Events) != 1 {
		return reply{outcome: other, what: fmt.Sprintf("200 %s (%v)", text, err)}
	}
	return reply{outcome: answered, id: got.Events[0].ID}
}

// flows returns when so many more callbacks have been answered with 200.
func (s *load) flows(ctx context.Context, within time.Duration, more int) error {
	before := s.ledger.safe()
	return until(ctx, within, fmt.Sprintf("%d callbacks more are answered with 200", more), func(context.Context) (bool, error) {
		return s.ledger.safe() >= before+more, nil
	})
}
