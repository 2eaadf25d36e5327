package hubspot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// scopes are what the app needs for the journal.
const scopes = "developer.webhooks_journal.read developer.webhooks_journal.subscriptions.read developer.webhooks_journal.subscriptions.write"

// app is an app with its credentials, as which the journal is read (OAuth, client_credentials).
type app struct {
	*client
	id, secret string
	token      *rest.Token[rest.Grant]
}

// openApp returns an app, whose access token replicas share.
func openApp(c *client, id, secret string, stored ingest.Store) *app {
	a := &app{client: c, id: id, secret: secret}
	sum := sha256.Sum256([]byte(c.url + "\n" + id))
	a.token = &rest.Token[rest.Grant]{
		Value: rest.Value[rest.Grant]{Store: stored, Key: "hubspot.app." + hex.EncodeToString(sum[:16]), Lenient: true},
		Grant: func(grant *rest.Grant) *rest.Grant { return grant }, Exchange: a.exchange, Early: time.Minute,
	}
	return a
}

// bearer implements bearer.
func (a *app) bearer(ctx context.Context, stale string) (string, error) {
	if stale == "" {
		grant, err := a.token.Get(ctx)
		return grant.AccessToken, err
	}
	grant, err := a.token.Renew(ctx, stale)
	return grant.AccessToken, err
}

// exchange requests an access token.
func (a *app) exchange(ctx context.Context, _ rest.Grant) (rest.Grant, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {a.id}, "client_secret": {a.secret}, "scope": {scopes}}
	asked := time.Now().UTC()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/oauth/"+version+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return rest.Grant{}, errors.New("the URL of the API is not valid")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := rest.Sender{HTTP: a.http, MaxAnswer: 64 << 10}.Do(request)
	var body struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"`
	}
	switch {
	case err != nil:
	case got.Status >= 500:
		err = &rest.Unreachable{Err: a.refusal(got, "")}
	case got.Status != http.StatusOK || json.Unmarshal(got.Body, &body) != nil || body.Token == "":
		err = a.refusal(got, "")
	}
	if err != nil {
		return rest.Grant{}, fmt.Errorf("fetch an access token: %w", err)
	}
	return rest.Grant{AccessToken: body.Token, Expires: rest.ExpiresIn(asked, body.Expires)}, nil
}

// Reach requests an access token, which checks the client, and drops it.
func (a *app) Reach(ctx context.Context) error {
	_, err := a.exchange(ctx, rest.Grant{})
	return err
}
