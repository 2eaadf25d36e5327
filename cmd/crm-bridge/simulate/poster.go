// Package simulate sends callbacks as a CRM does, for the commands send, check --roundtrip and demo, and follows their events.
package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// Poster posts callbacks and prints the answers.
type Poster struct {
	Client   *http.Client
	URL      string
	Source   ingest.Source // of the callbacks
	Token    string        // authenticates them in place of the configured secret
	Out      io.Writer
	JSON     bool
	Accepted int
	Rejected int // for their proof
}

// printed is one answer as send prints it.
type printed struct {
	Status int             `json:"status"`
	MS     float64         `json:"ms"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

// Post sends a callback and prints the answer.
func (s *Poster) Post(ctx context.Context, cb ingest.Callback) error {
	request, err := asRequest(ctx, s.URL, cb, s.Source, s.Token)
	if err != nil {
		return err
	}
	start := time.Now()
	response, err := s.Client.Do(request)
	if err != nil {
		return fmt.Errorf("no bridge answers at %s: %w; start one with %s", s.URL, errors.Unwrap(err), client.OwnCommand())
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	answer := printed{Status: response.StatusCode, MS: float64(time.Since(start).Microseconds()) / 1000}
	if json.Valid(body) {
		answer.Answer = body
	}
	switch answer.Status {
	case http.StatusOK:
		s.Accepted++
	case http.StatusUnauthorized:
		s.Rejected++
	}
	if s.JSON {
		return terminal.JSONEncoder(s.Out).Encode(answer)
	}
	terminal.Say(s.Out, "%d  %6.2f ms  %s\n", answer.Status, answer.MS, summary(answer))
	return nil
}

// asRequest is a callback of a source as it is sent to the bridge at a base URL, signed where the CRM signs.
func asRequest(ctx context.Context, base string, cb ingest.Callback, source ingest.Source, token string) (*http.Request, error) {
	target := strings.TrimRight(base, "/") + cb.Path
	if len(cb.Query) > 0 {
		target += "?" + cb.Query.Encode()
	}
	if signer, ok := source.(ingest.Signer); ok {
		if err := signer.Sign(&cb, target, token); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, cb.Method, target, bytes.NewReader(cb.Body))
	if err != nil {
		return nil, fmt.Errorf("%w: --url: %w", terminal.ErrUsage, err)
	}
	request.Header = cb.Header
	return request, nil
}

// summary is an answer in words.
func summary(answer printed) string {
	var body struct {
		Events []ingest.Ack
		Detail string
	}
	if json.Unmarshal(answer.Answer, &body) != nil || len(body.Events) == 0 {
		return body.Detail
	}
	var parts []string
	for _, ack := range body.Events {
		part := fmt.Sprintf("%s  stream %s sequence %d  id %s", ack.Subject, ack.Stream, ack.Sequence, ack.ID)
		if ack.Duplicate {
			part += "  (a repeat)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "\n     ")
}
