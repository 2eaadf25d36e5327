package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Webhooks understands the webhooks of a CRM called Acme. A request header authenticates them.
type Webhooks struct {
	Accepted ingest.SecretList
}

// webhook is the body that Acme posts.
type webhook struct {
	Object string      `json:"object"`
	Action string      `json:"action"`
	ID     json.Number `json:"id"`
	Fields []string    `json:"fields"`
	At     time.Time   `json:"at"`
}

func (w *Webhooks) Label() string { return "acme-webhooks" }

func (w *Webhooks) Routes() []ingest.Route {
	return []ingest.Route{{Method: http.MethodPost, Path: "/acme/webhooks"}}
}

// Verify needs no body, so a stranger is rejected before the body is read.
func (w *Webhooks) Verify(_ context.Context, cb ingest.Callback) error {
	if !ingest.MatchesAny(cb.Header.Get("X-Acme-Secret"), w.Accepted) {
		return fmt.Errorf("%w: wrong or missing X-Acme-Secret", ingest.ErrForged)
	}
	return nil
}

func (w *Webhooks) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	var body webhook
	if err := json.Unmarshal(cb.Body, &body); err != nil {
		return nil, fmt.Errorf("%w: the body is not JSON, or a member has another type", ingest.ErrMalformed)
	}
	operation, err := ingest.Operation(body.Action)
	if err = errors.Join(err, ingest.CheckModule(body.Object), ingest.CheckRecordID(body.ID.String())); err != nil {
		return nil, err
	}
	id := body.ID.String()
	change := ingest.Change{
		Source: w.Label(), Provider: "acme", Account: "default", Module: body.Object, Operation: operation, IDs: []string{id},
		Collection: "/acme/" + body.Object, OccurredAt: body.At, ReceivedAt: cb.At, Origin: ingest.Live,
		NativeOperation: body.Action, NativeBody: cb.Body,
	}
	if body.Fields != nil {
		change.Fields = map[string][]string{id: body.Fields}
	}
	return []ingest.Change{change}, nil
}

// Secrets says that a member such as "api_key" is removed.
func (w *Webhooks) Secrets() ingest.Secrets {
	return ingest.Secrets{Names: []string{"<secret>"}, Values: w.Accepted}
}

// A source verifies and decodes the callbacks of one kind.
func ExampleSource() {
	var source ingest.Source = &Webhooks{Accepted: ingest.SecretList{"the-secret-of-acme"}}
	cb := ingest.Callback{
		Source: source.Label(), Method: http.MethodPost, Path: "/acme/webhooks",
		Header: http.Header{"X-Acme-Secret": {"the-secret-of-acme"}},
		Body:   []byte(`{"object":"Deals","action":"update","id":90071992547409931,"fields":["Stage"]}`),
	}
	if err := source.Verify(context.Background(), cb); err != nil {
		fmt.Println(err)
	}
	changes, err := source.Decode(cb)
	if err != nil {
		fmt.Println(err)
	}
	for _, change := range changes {
		fmt.Println(change.Module, change.Operation, change.IDs, change.Fields)
	}
	cb.Header.Set("X-Acme-Secret", "guessed")
	fmt.Println(errors.Is(source.Verify(context.Background(), cb), ingest.ErrForged))
	// Output:
	// Deals edit [90071992547409931] map[90071992547409931:[Stage]]
	// true
}
