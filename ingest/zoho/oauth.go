package zoho

import (
	"cmp"
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

// Zoho issues ten access tokens for a refresh token in ten minutes, and refuses more for a while. One is left to other programs with
// the same refresh token.
const (
	tokenLimit  = 9
	tokenWindow = 10 * time.Minute
	tokenEarly  = 5 * time.Minute // how long before its end a token is renewed
)

// accounts is the accounts server, with the application's credentials.
type accounts struct {
	url, clientID, clientSecret, refreshToken string

	sender rest.Sender
}

// token returns the access token that replicas share. Its key is a digest of the credentials, so that a changed refresh token has
// another one.
func (a accounts) token(secret ingest.Store) *rest.Token[rest.Grant] {
	sum := sha256.Sum256([]byte(a.url + "\n" + a.clientID + "\n" + a.refreshToken))
	return &rest.Token[rest.Grant]{
		Value: rest.Value[rest.Grant]{Store: secret, Key: "zoho.access." + hex.EncodeToString(sum[:16]), Lenient: true},
		Grant: func(grant *rest.Grant) *rest.Grant { return grant }, Exchange: a.exchange,
		Early: tokenEarly, Limit: tokenLimit, Window: tokenWindow,
	}
}

// exchange requests an access token with the refresh token. Zoho reports errors inside a 200.
func (a accounts) exchange(ctx context.Context, _ rest.Grant) (rest.Grant, error) {
	form := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {a.clientID}, "client_secret": {a.clientSecret}, "refresh_token": {a.refreshToken},
	}
	asked := time.Now().UTC()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, strings.NewReader(form.Encode()))
	if err != nil {
		return rest.Grant{}, errors.New("fetch an access token: the token URL is not valid")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := send(a.sender, request)
	if err == nil && got.Status >= 500 {
		err = &rest.Unreachable{Err: fmt.Errorf("answered %d", got.Status)}
	}
	var grant rest.Grant
	if err == nil {
		grant, err = a.read(got, asked)
	}
	if err != nil {
		return rest.Grant{}, fmt.Errorf("fetch an access token: %w", err)
	}
	return grant, nil
}

// read reads the answer to exchange.
func (a accounts) read(got rest.Answer, asked time.Time) (rest.Grant, error) {
	var body struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"`
		Error   string      `json:"error"`
	}
	_ = json.Unmarshal(got.Body, &body)
	if body.Token == "" || strings.ContainsFunc(body.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		reason := rest.Clean(body.Error, []string{a.clientSecret, a.refreshToken})
		return rest.Grant{}, fmt.Errorf("answered %d %s%s", got.Status, cmp.Or(reason, "without a token"), grantAdvice[body.Error])
	}
	return rest.Grant{AccessToken: body.Token, Expires: rest.ExpiresIn(asked, body.Expires)}, nil
}

// grantAdvice is what a person can do about an error of the accounts server.
var grantAdvice = map[string]string{
	"invalid_client":        "; check the client id, and that the data centre is the account's own",
	"invalid_client_secret": "; check the client secret",
	"invalid_code":          "; the refresh token is wrong, was revoked, or belongs to another data centre",
	"Access Denied":         "; Zoho issues ten access tokens in ten minutes for a refresh token, and another program uses this one too",
}
