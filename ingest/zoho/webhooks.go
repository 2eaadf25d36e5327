package zoho

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// WebhooksLabel is the label of the source Webhooks.
const WebhooksLabel = "zoho-webhooks"

const webhooksPath = "/zoho/webhooks"

// Webhooks understands the webhooks of Zoho CRM's workflow rules. What they carry, and how, is up to the CRM's
// administrator; they know neither module nor operation, so both stand in the URL.
type Webhooks struct {
	Account        string            // the org's name in events
	Accepted       ingest.SecretList // any of these proves a webhook
	IDParams       []string          // parameters that may hold the record id: the first that is there counts
	IdentityParams []string          // parameters that together tell one delivery from another; empty: nothing does
}

// openWebhooks configures the source. Without a secret it takes one that is kept in the data folder, where the bridge may
// make one.
func (c Config) openWebhooks(setup ingest.Setup) (*Webhooks, error) {
	accepted, err := setup.SecretsOr(c.Zoho.WebhookSecret, madeWebhookSecret)
	return &Webhooks{
		Account: c.Zoho.Account, Accepted: accepted, IDParams: c.Zoho.WebhookIDParams, IdentityParams: c.Zoho.WebhookIdentityParams,
	}, err
}

// Label implements ingest.Source.
func (w *Webhooks) Label() string { return WebhooksLabel }

// Routes implements ingest.Source. Zoho posts or gets; newer versions of it also put and delete.
func (w *Webhooks) Routes() []ingest.Route {
	var routes []ingest.Route
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		routes = append(routes, ingest.Route{Method: method, Path: webhooksPath + "/{module}/{operation}"})
	}
	return routes
}

// credentialParams are what the parameters are called in which administrators send tokens to whoever they call; in any case.
var credentialParams = []string{"token", "authtoken", "auth_token", "api_key", "apikey", "password"}

// Secrets implements ingest.Source. A parameter that names a record or a delivery is never a secret, whatever it is called.
func (w *Webhooks) Secrets() ingest.Secrets {
	return ingest.Secrets{Names: append([]string{secretParam}, credentialParams...), Params: w.dataParams(), Values: w.Accepted, Looks: looks}
}

// dataParams are the parameters that name the record and the delivery.
func (w *Webhooks) dataParams() []string {
	return slices.DeleteFunc(slices.Concat(w.IDParams, w.IdentityParams), func(name string) bool { return strings.EqualFold(name, secretParam) })
}

// isCredential reports whether a parameter of this name is not kept.
func (w *Webhooks) isCredential(name string) bool {
	return strings.EqualFold(name, secretParam) || slices.Contains(credentialParams, strings.ToLower(name)) && !slices.Contains(w.dataParams(), name)
}

// Verify implements ingest.Source: the secret may stand in a parameter of the URL or the body, in the header
// X-Webhook-Secret, or in Authorization: Bearer. One that is right is enough: a field of the CRM's may have that name too.
func (w *Webhooks) Verify(_ context.Context, cb ingest.Callback) error {
	shown := slices.Clone(cb.Header.Values("X-Webhook-Secret"))
	for _, value := range cb.Header.Values("Authorization") {
		if scheme, token, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
			shown = append(shown, strings.TrimSpace(token))
		}
	}
	if cb.Body == nil {
		shown = append(shown, cb.Query[secretParam]...)
	} else {
		d, _ := deliveryOf(cb) // what cannot be read hides nothing that can
		shown = append(shown, d.proofs...)
	}
	shown = shown[:min(len(shown), maxProofs)]
	if len(shown) == 0 {
		return fmt.Errorf("%w: it shows no secret", ingest.ErrForged)
	}
	for _, secret := range shown {
		if ingest.MatchesAny(secret, w.Accepted) {
			return nil
		}
	}
	return fmt.Errorf("%w: it shows a wrong secret", ingest.ErrForged)
}

// Decode implements ingest.Source.
func (w *Webhooks) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	change := ingest.Change{
		Source: WebhooksLabel, Provider: Provider, Account: w.Account, ReceivedAt: cb.At, Origin: ingest.Live,
		Module: cb.Params["module"], NativeOperation: cb.Params["operation"], Collection: webhooksPath + "/" + cb.Params["module"],
	}
	if err := ingest.CheckModule(change.Module); err != nil {
		return nil, err
	}
	var err error
	if change.Operation, err = ingest.Operation(change.NativeOperation); err != nil {
		return nil, err
	}
	d, err := deliveryOf(cb)
	if err != nil {
		return nil, err
	}
	if change.IDs, err = d.recordIDs(w.IDParams); err != nil {
		return nil, err
	}
	change.NativeBody, change.NativeQuery = d.native()
	if !slices.ContainsFunc(d.query, func(p body.Param) bool { return !w.isCredential(p.Name) }) {
		change.NativeQuery = nil
	}
	change.NativeXML, change.Secrets = withoutCredentials(d.xml, w.isCredential)
	change.Divided = d.idParam(w.IDParams)
	change.Mark = d.identity(w.IdentityParams)
	return []ingest.Change{change}, nil
}

// repeatsWithin is how long a delivery's repeat may take to come: Zoho repeats a failed webhook once, after 15 minutes.
// Without an identity no repeat is known for one.
func (w *Webhooks) repeatsWithin() time.Duration {
	if len(w.IdentityParams) == 0 {
		return 0
	}
	return 20 * time.Minute
}

// identity is what tells the delivery from others: the values of the named parameters, each behind its length. It is
// empty unless every one of them has a value.
func (d delivery) identity(names []string) string {
	var mark strings.Builder
	for _, name := range names {
		values := d.all(name)
		if !slices.ContainsFunc(values, func(value string) bool { return strings.TrimSpace(value) != "" }) {
			return "" // an empty field of the CRM's tells nothing apart
		}
		mark.WriteString(strconv.Itoa(len(values)) + ";")
		for _, value := range values {
			mark.WriteString(strconv.Itoa(len(value)) + ":" + value)
		}
	}
	return mark.String()
}

// recordIDs returns the values of the first of names that the delivery has; it may have none. What is there must be an id.
func (d delivery) recordIDs(names []string) ([]string, error) {
	for _, name := range names {
		ids, whole := d.values(name)
		if !whole {
			return nil, fmt.Errorf("%w: a record id must be a string or a whole number", ingest.ErrMalformed)
		}
		if len(ids) == 0 {
			continue
		}
		var each []string // an id may stand in the URL and in the body
		seen := make(map[string]bool, len(ids))
		for _, id := range ids {
			id = strings.TrimSpace(id)
			if err := ingest.CheckRecordID(id); err != nil {
				return nil, err
			}
			if !seen[id] {
				seen[id], each = true, append(each, id)
			}
		}
		return each, nil
	}
	return nil, nil
}

// idParam returns the one of names that recordIDs reads; none where the delivery has none of them.
func (d delivery) idParam(names []string) []string {
	for i, name := range names {
		if len(d.all(name)) > 0 {
			return names[i : i+1]
		}
	}
	return nil
}

// Sample implements ingest.Sampler: a webhook that posts a form, as Zoho's screen suggests.
func (w *Webhooks) Sample(change ingest.Change, token string) (ingest.Callback, error) {
	if token == "" && len(w.Accepted) > 0 {
		token = w.Accepted[0]
	}
	if token == "" {
		return ingest.Callback{}, errors.New("no secret is configured for Zoho's webhooks: set BRIDGE_ZOHO_WEBHOOK_SECRET as the bridge has it, or pass --token")
	}
	change.Module = cmp.Or(change.Module, sampleModule)
	form := body.Params{}
	for _, id := range change.IDs {
		form = append(form, body.Param{Name: w.idParam(), Value: id})
	}
	form = append(form, body.Param{Name: "Owner", Value: "Zoë Example"}, body.Param{Name: "Closing_Date", Value: change.ReceivedAt.Format("2006-01-02")})
	return ingest.Callback{
		Source: WebhooksLabel, At: change.ReceivedAt, Method: http.MethodPost, Path: webhooksPath + "/" + change.Module + "/" + change.Operation,
		Params: map[string]string{"module": change.Module, "operation": change.Operation},
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Webhook-Secret": {token}}, Body: []byte(form.Encode()),
	}, nil
}

func (w *Webhooks) idParam() string {
	if len(w.IDParams) > 0 {
		return w.IDParams[0]
	}
	return "id"
}
