package pipedrive

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// WebhooksLabel is the label of the source Webhooks.
const WebhooksLabel = "pipedrive-webhooks"

const webhooksPath = "/pipedrive/webhooks"

// Webhooks understands the callbacks of Pipedrive's webhooks, version 2.0: each reports one change of one record. Pipedrive signs
// nothing, so HTTP Basic is all that authenticates them (Guide for Webhooks v2).
type Webhooks struct {
	User      string
	Passwords ingest.SecretList // the first is the one to use
	Companies ingest.AccountIDs
	APIToken  string // masked wherever it appears
}

// openWebhooks configures the source. Without a password it takes one that is kept in the data folder, where the bridge may make one.
func (c Config) openWebhooks(setup ingest.Setup) (*Webhooks, error) {
	w := &Webhooks{User: string(c.Pipedrive.User), Companies: c.Pipedrive.Companies, APIToken: c.Pipedrive.API.Token}
	var err error
	w.Passwords, err = setup.SecretsOr(c.Pipedrive.Password, madePassword)
	return w, err
}

// Label implements ingest.Source.
func (w *Webhooks) Label() string { return WebhooksLabel }

// Routes implements ingest.Source.
func (w *Webhooks) Routes() []ingest.Route {
	return []ingest.Route{{Method: http.MethodPost, Path: webhooksPath}}
}

// ForgivesQuarantined implements ingest.Forgiving: Pipedrive suspends a webhook after ten failures in a row, and deletes it after three
// days of them.
func (w *Webhooks) ForgivesQuarantined() {}

// Secrets implements ingest.Source. The records are the customer's own data: nothing in them is removed for its name.
func (w *Webhooks) Secrets() ingest.Secrets {
	s := ingest.Secrets{
		Names: []string{"<secret>", "meta.<secret>"}, Records: []string{"data", "previous"}, ValuesAt: []string{"data"}, Values: w.Passwords,
		Credentials: w.accepted(),
	}
	for _, pair := range s.Credentials {
		s.Values = append(s.Values, base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	if w.APIToken != "" {
		s.Values = append(s.Values, w.APIToken)
	}
	return s
}

// accepted returns the credentials that authenticate a callback: user:password.
func (w *Webhooks) accepted() []string {
	pairs := make([]string, len(w.Passwords))
	for i, password := range w.Passwords {
		pairs[i] = w.User + ":" + password
	}
	return pairs
}

// Verify implements ingest.Source: the Authorization header authenticates the callback, before its body is read. Of several, as a proxy
// may add one, one that is right is enough.
func (w *Webhooks) Verify(_ context.Context, cb ingest.Callback) error {
	if len(w.Passwords) == 0 {
		return fmt.Errorf("%w: no password is configured for Pipedrive", ingest.ErrForged)
	}
	accepted, basic := w.accepted(), false
	for _, value := range cb.Header.Values("Authorization") {
		scheme, credentials, _ := strings.Cut(value, " ") // one space or more (RFC 9110, section 11.4)
		pair, err := base64.StdEncoding.DecodeString(strings.TrimLeft(credentials, " "))
		if !strings.EqualFold(scheme, "Basic") || err != nil || bytes.IndexByte(pair, ':') < 0 {
			continue
		}
		if basic = true; ingest.MatchesAny(string(pair), accepted) {
			return nil
		}
	}
	if !basic {
		return fmt.Errorf("%w: it has no HTTP Basic credentials", ingest.ErrForged)
	}
	return fmt.Errorf("%w: wrong HTTP auth user or password", ingest.ErrForged)
}

// message is a callback's body.
type message struct {
	raw           json.RawMessage
	members, meta body.Members
}

func readMessage(cb ingest.Callback) (message, error) {
	raw, err := body.Object(cb)
	if err != nil {
		return message{}, err
	}
	m := message{raw: raw, members: make(body.Members, 0, 4).Append(raw)}
	m.meta = make(body.Members, 0, 20).Append(m.members.Of("meta"))
	return m, nil
}

// company returns the id of the company; empty where there is none.
func (m message) company() string {
	id, _ := body.TextOrInteger(m.meta.Of("company_id"))
	return id
}

// AccountOf implements ingest.NamesAccount: the company.
func (w *Webhooks) AccountOf(cb ingest.Callback) string {
	m, _ := ingest.ParseOnce(cb, readMessage) // of one that is broken nothing is known
	return m.company()
}

// Decode implements ingest.Source.
func (w *Webhooks) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	message, err := ingest.ParseOnce(cb, readMessage)
	if err != nil {
		return nil, err
	}
	if company := message.company(); company != "" {
		if err := w.Companies.Check(company, "BRIDGE_PIPEDRIVE_COMPANIES"); err != nil {
			return nil, err
		}
	}
	whole, meta := message.members, message.meta
	if err := checkVersion(whole, meta); err != nil {
		return nil, err
	}
	change := ingest.Change{
		Source: WebhooksLabel, Provider: Provider, ReceivedAt: cb.At, Origin: ingest.Live, OccurredAt: timestamp(meta.Of("timestamp")), NativeBody: message.raw,
	}
	if err := identify(&change, meta); err != nil {
		return nil, err
	}
	for _, one := range []struct {
		name string
		into *map[string]json.RawMessage
	}{{"data", &change.Values}, {"previous", &change.Previous}} {
		switch value := whole.Of(one.name); {
		case absent(value):
		case value[0] != '{':
			return nil, fmt.Errorf("%w: %s must be an object or null", ingest.ErrMalformed, one.name)
		default:
			*one.into = map[string]json.RawMessage{change.IDs[0]: value}
		}
	}
	if change.Operation == "delete" { // previous is the last state
		change.Values = nil
	} else if names := changedFields(whole.Of("previous")); len(names) > 0 {
		change.Fields = map[string][]string{change.IDs[0]: names}
	}
	return []ingest.Change{change}, nil
}

// checkVersion returns ErrMalformed unless the callback is of version 2.0.
func checkVersion(whole, meta body.Members) error {
	switch version, _ := jsontext.StringOf(meta.Of("version")); {
	case version == "2.0" || string(meta.Of("version")) == "2.0":
		return nil
	case !absent(whole.Of("v")) || !absent(meta.Of("object")):
		return fmt.Errorf("%w: this is a webhook of Pipedrive's old version 1.0; create it again with version 2.0", ingest.ErrMalformed)
	}
	return fmt.Errorf("%w: meta.version must be 2.0, the version of Pipedrive's webhooks that the bridge reads", ingest.ErrMalformed)
}

// identify fills in what meta says of a change: whose it is, of which record, and what happened. What is optional and of another shape
// counts as absent.
func identify(change *ingest.Change, meta body.Members) (err error) {
	id := ""
	for _, one := range []struct {
		name     string
		into     *string
		optional bool
		check    func(string) error
	}{
		{"company_id", &change.Account, false, ingest.CheckID},
		{"entity", &change.Module, false, ingest.CheckModule},
		{"entity_id", &id, false, ingest.CheckRecordID},
		{"action", &change.NativeOperation, false, ingest.CheckID},
		{"webhook_id", &change.Channel, true, ingest.CheckID},
		{"user_id", &change.ChangedBy, true, ingest.CheckID},
		{"id", &change.Mark, true, ingest.CheckID},
	} {
		raw := meta.Of(one.name)
		text, ok := body.TextOrInteger(raw)
		switch err := one.check(text); {
		case absent(raw) && !one.optional:
			return fmt.Errorf("%w: meta.%s is missing", ingest.ErrMalformed, one.name)
		case ok && err == nil:
			*one.into = text
		case one.optional: // the change itself is understood
		case !ok:
			return fmt.Errorf("%w: meta.%s must be a string or a whole number", ingest.ErrMalformed, one.name)
		default:
			return fmt.Errorf("%w (meta.%s)", err, one.name)
		}
	}
	change.IDs, change.Collection = []string{id}, collectionOf(change.Module)
	if change.Operation = "edit"; !strings.EqualFold(change.NativeOperation, "change") {
		change.Operation, err = ingest.Operation(change.NativeOperation)
	}
	return err
}

// collectionOf returns where the API keeps a module. It names no company, whose domain may change.
func collectionOf(module string) string {
	plural := module + "s"
	if stem, ok := strings.CutSuffix(module, "y"); ok {
		plural = stem + "ies"
	}
	return "https://api.pipedrive.com/v1/" + plural
}

// changedFields returns the names of the fields that changed: the members of previous, of custom fields one level deeper.
func changedFields(previous json.RawMessage) (names []string) {
	for name, value := range jsontext.Members(previous) {
		if string(name) != "custom_fields" || value[0] != '{' {
			names = append(names, string(name))
			continue
		}
		for hash := range jsontext.Members(value) {
			names = append(names, "custom_fields."+string(hash))
		}
	}
	return names
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }
