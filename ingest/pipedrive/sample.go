package pipedrive

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

const (
	sampleCompany = "10203040"
	sampleModule  = "person" // of a change that names none
)

// Sample implements ingest.Sampler: a webhook reports one record at a time, so of several it takes the first. The token is the password.
func (w *Webhooks) Sample(change ingest.Change, token string) (ingest.Callback, error) {
	if token == "" && len(w.Passwords) > 0 {
		token = w.Passwords[0]
	}
	if token == "" {
		return ingest.Callback{}, errors.New("no password of Pipedrive's webhooks is configured: set BRIDGE_PIPEDRIVE_PASSWORD as the bridge has it, or pass --token")
	}
	company := sampleCompany
	if len(w.Companies) > 0 {
		company = w.Companies[0]
	}
	id := ""
	if len(change.IDs) > 0 {
		id = change.IDs[0]
	}
	change.Module = cmp.Or(change.Module, sampleModule)
	native := cmp.Or(change.NativeOperation, nativeOf(change.Operation))
	at := change.OccurredAt.UTC().Format("2006-01-02T15:04:05.000Z")
	user := cmp.Or(change.ChangedBy, "501")
	meta := map[string]any{
		"action": native, "entity": change.Module, "company_id": cmp.Or(change.Account, company), "version": "2.0",
		"id": uuidOf("event", change.Module, native, id, at), "correlation_id": uuidOf("action", change.Module, native, id, at),
		"timestamp": at, "user_id": user, "change_source": "app", "is_bulk_edit": false, "attempt": 1, "type": "general",
		"webhook_id": cmp.Or(change.Channel, "88001"), "webhook_owner_id": user, "host": "acme.pipedrive.com", "permitted_user_ids": []string{user},
	}
	if id != "" {
		meta["entity_id"] = id
	}
	data, previous := change.Values[id], change.Previous[id]
	record := sampleRecord(id, change.OccurredAt)
	switch {
	case change.Operation == "delete" && previous == nil:
		previous = record
	case change.Operation != "delete" && data == nil:
		data = record
		if change.Operation != "create" && previous == nil {
			previous = json.RawMessage(`{"label_ids":[2]}`)
		}
	}
	text, err := json.Marshal(map[string]any{"meta": meta, "data": data, "previous": previous})
	request := http.Request{Header: http.Header{"Content-Type": {"application/json"}}}
	request.SetBasicAuth(w.User, token)
	return ingest.Callback{
		Source: WebhooksLabel, At: change.ReceivedAt, Method: http.MethodPost, Path: webhooksPath, Header: request.Header, Body: text,
	}, err
}

// Proof implements ingest.Sampler.
func (w *Webhooks) Proof() (variable, file string) { return "BRIDGE_PIPEDRIVE_PASSWORD", madePassword }

// sampleRecord is a record as data holds it; its id is a number where it is one.
func sampleRecord(id string, at time.Time) json.RawMessage {
	number := json.RawMessage(id)
	if !body.IsInteger(number) || jsontext.Check(number) != nil {
		number = jsontext.Quote(id)
	}
	return fmt.Appendf(nil, `{"id":%s,"owner_id":501,"label_ids":[3],"update_time":"%s","custom_fields":{}}`, number, at.UTC().Format(time.RFC3339))
}

// uuidOf derives a UUID from texts: a change that is sampled twice is the same event.
func uuidOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // version 8: custom
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
