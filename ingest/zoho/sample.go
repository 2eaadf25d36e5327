package zoho

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// nativeOperations are the words of callbacks; subscriptions say create and edit.
var nativeOperations = map[string]string{"create": "insert", "edit": "update"}

// sampleModule is the module of a change that names none.
const sampleModule = "Contacts"

// Sample implements ingest.Sampler: a notification as Zoho's version 8 sends it, of a telephone number where the change
// does not say what changed.
func (n *Notifications) Sample(change ingest.Change, token string) (ingest.Callback, error) {
	if change.Channel == "" {
		change.Channel = n.sampleChannel()
	}
	if token == "" {
		token = n.tokenFor(change.Channel)
	}
	if token == "" {
		return ingest.Callback{}, errors.New("no Zoho token is configured: set BRIDGE_ZOHO_TOKENS or BRIDGE_ZOHO_TOKEN_SECRET as the bridge has it, or pass --token")
	}
	if change.NativeOperation == "" {
		change.NativeOperation = change.Operation
		if native, ok := nativeOperations[change.Operation]; ok {
			change.NativeOperation = native
		}
	}
	change.Module = cmp.Or(change.Module, sampleModule)
	if change.Fields == nil && change.Values == nil && change.Operation != "delete" {
		change.Fields, change.Values = map[string][]string{}, map[string]json.RawMessage{}
		for _, id := range change.IDs {
			change.Fields[id], change.Values[id] = []string{"Mobile"}, json.RawMessage(`{"Mobile":"+49 30 901820"}`)
		}
	}
	type record struct {
		RecordID string          `json:"record_id"`
		Values   json.RawMessage `json:"values"`
	}
	fields, values := []map[string][]string{}, []record{}
	for _, id := range change.IDs {
		if names := change.Fields[id]; len(names) > 0 {
			fields = append(fields, map[string][]string{id: names})
		}
		if some := change.Values[id]; len(some) > 0 {
			values = append(values, record{id, some})
		}
	}
	body, err := json.Marshal(struct {
		ServerTime     int64                 `json:"server_time"`
		AffectedValues []record              `json:"affected_values,omitempty"`
		QueryParams    struct{}              `json:"query_params"`
		Module         string                `json:"module"`
		ResourceURI    string                `json:"resource_uri"`
		IDs            []string              `json:"ids"`
		AffectedFields []map[string][]string `json:"affected_fields"`
		Operation      string                `json:"operation"`
		ChannelID      string                `json:"channel_id"`
		Token          string                `json:"token"`
	}{
		ServerTime: change.OccurredAt.UnixMilli(), AffectedValues: values, Module: change.Module,
		ResourceURI: "https://www.zohoapis.com/crm/v2/" + url.PathEscape(change.Module), IDs: change.IDs,
		AffectedFields: fields, Operation: change.NativeOperation, ChannelID: change.Channel, Token: token,
	})
	return ingest.Callback{
		Source: NotificationsLabel, At: change.ReceivedAt, Method: http.MethodPost, Path: notificationsPath,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: body,
	}, err
}

// Proof implements ingest.Sampler.
func (n *Notifications) Proof() (variable, file string) {
	if len(n.TokenSecrets) == 0 && len(n.Tokens) > 0 {
		return "BRIDGE_ZOHO_TOKENS", ""
	}
	return "BRIDGE_ZOHO_TOKEN_SECRET", madeTokenSecret
}

// Proof implements ingest.Sampler.
func (w *Webhooks) Proof() (variable, file string) {
	return "BRIDGE_ZOHO_WEBHOOK_SECRET", madeWebhookSecret
}

// sampleChannel is a channel that a token is known for.
func (n *Notifications) sampleChannel() string {
	const channel = "1000000068001"
	if len(n.TokenSecrets) > 0 || len(n.Tokens.For(channel)) > 0 {
		return channel
	}
	least := channel
	for id := range n.Tokens {
		if least == channel || id < least {
			least = id
		}
	}
	return least
}

func (n *Notifications) tokenFor(channel string) string {
	if len(n.TokenSecrets) > 0 {
		return channelToken(n.TokenSecrets[0], channel)
	}
	if tokens := n.Tokens.For(channel); len(tokens) > 0 {
		return tokens[0]
	}
	return ""
}
