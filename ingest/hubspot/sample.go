package hubspot

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// Sample implements ingest.Sampler: a list with an event for each record. It is authenticated by Sign, last.
func (w *Webhooks) Sample(change ingest.Change, token string) (ingest.Callback, error) {
	if _, err := w.secret(token); err != nil {
		return ingest.Callback{}, err
	}
	if _, err := ingest.Operation(change.Operation); err != nil {
		return ingest.Callback{}, err
	}
	operation := change.Operation
	for native, word := range words {
		if word == operation {
			operation = native
		}
	}
	account := cmp.Or(change.Account, "44001122")
	if change.Account == "" && len(w.Portals) > 0 {
		account = w.Portals[0]
	}
	module := cmp.Or(change.Module, "contact")
	of := ""
	if strings.Contains(module, "-") {
		module, of = "object", module
	}
	list := []byte{'['}
	for i, id := range change.IDs {
		event := []byte{'{'}
		add := func(name, id string) { event = append(jsontext.AppendName(event, name), number(id)...) }
		add("eventId", strconv.Itoa(i+1))
		add("subscriptionId", cmp.Or(change.Channel, "7700001"))
		add("portalId", account)
		add("appId", "9001")
		add("occurredAt", strconv.FormatInt(change.OccurredAt.UnixMilli(), 10))
		event = jsontext.AppendMember(event, "subscriptionType", module+"."+operation)
		add("attemptNumber", "0")
		add("objectId", id)
		if of != "" {
			event = jsontext.AppendMember(event, "objectTypeId", of)
		}
		if operation == "propertyChange" {
			event = append(event, property(change.Values[id])...)
		}
		list = append(append(jsontext.AppendComma(list), jsontext.AppendMember(event, "changeSource", "CRM_UI")...), '}')
	}
	return ingest.Callback{
		Source: WebhooksLabel, At: change.ReceivedAt, Method: http.MethodPost, Path: webhooksPath,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: append(list, ']'),
	}, nil
}

// number writes an id as HubSpot does, or as a string where it is not a number.
func number(id string) rawJSON {
	if portalID.MatchString(id) || len(id) > 19 && strings.Trim(id, "0123456789") == "" && id[0] != '0' || id == "0" {
		return rawJSON(id)
	}
	return jsontext.Quote(id)
}

// property is what an event says of the first of a record's values.
func property(values rawJSON) []byte {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(values, &all)
	name, value := "lifecyclestage", rawJSON(`"customer"`)
	for _, first := range slices.Sorted(maps.Keys(all)) {
		name, value = first, all[first]
		break
	}
	return append(append(append([]byte(`,"propertyName":`), jsontext.Quote(name)...), `,"propertyValue":`...), value...)
}

// Sign implements ingest.Signer. Where the app's target URL is configured HubSpot signs that, wherever a callback is posted to.
func (w *Webhooks) Sign(cb *ingest.Callback, url, token string) error {
	secret, err := w.secret(token)
	if err != nil {
		return err
	}
	if len(w.PublicURLs) > 0 && !slices.ContainsFunc(w.PublicURLs, func(base string) bool { return strings.HasPrefix(url, base+"/") }) {
		at := strings.Index(url, webhooksPath)
		url = w.PublicURLs[0] + url[max(at, 0):]
	}
	at := cb.At
	if at.IsZero() {
		at = time.Now()
	}
	timestamp := strconv.FormatInt(at.UnixMilli(), 10)
	cb.Header.Set(timestampHeader, timestamp)
	cb.Header.Set(signatureHeader, base64.StdEncoding.EncodeToString(signature(secret, cb.Method, url, timestamp, cb.Body)))
	return nil
}

// secret returns what signs: token, or the first client secret.
func (w *Webhooks) secret(token string) (string, error) {
	if token == "" && len(w.ClientSecrets) > 0 {
		token = w.ClientSecrets[0]
	}
	if token == "" {
		return "", errors.New("no HubSpot client secret is configured: set BRIDGE_HUBSPOT_CLIENT_SECRET as the bridge has it, or pass --token")
	}
	return token, nil
}

// Proof implements ingest.Sampler.
func (w *Webhooks) Proof() (variable, file string) {
	return "BRIDGE_HUBSPOT_CLIENT_SECRET", madeClientSecret
}
