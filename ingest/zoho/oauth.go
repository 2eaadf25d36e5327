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

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// Zoho makes ten access tokens for a refresh token in ten minutes, and refuses more for a while. One is left to others
// who use the same refresh token.
const (
	tokenLimit  = 9
	tokenWindow = 10 * time.Minute
	tokenEarly  = 5 * time.Minute // a token is replaced so long before its end
)

// access returns an access token that is good for some minutes, and another one than stale.
func (c *Client) access(ctx context.Context, stale string) (grant rest.Grant, err error) {
	token := c.accessToken()
	err = rest.Retry{Attempts: min(3, c.attempts())}.Do(ctx, func() (again bool, after time.Duration, err error) {
		if stale == "" {
			grant, err = token.Get(ctx)
		} else {
			grant, err = token.Renew(ctx, stale)
		}
		var away *rest.Unreachable
		return errors.As(err, &away), 0, err
	})
	return grant, err
}

// accessToken is the token that replicas share. Its key is a digest of who it is for, so that a changed refresh token has a new
// one.
func (c *Client) accessToken() *rest.Token[rest.Grant] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == nil {
		sum := sha256.Sum256([]byte(c.TokenURL + "\n" + c.ClientID + "\n" + c.RefreshToken))
		c.token = &rest.Token[rest.Grant]{
			Value: rest.Value[rest.Grant]{Store: c.State.Secret, Key: "zoho.access." + hex.EncodeToString(sum[:16]), Lenient: true},
			Grant: func(grant *rest.Grant) *rest.Grant { return grant }, Exchange: c.exchange,
			Early: tokenEarly, Limit: tokenLimit, Window: tokenWindow,
		}
	}
	return c.token
}

// exchange asks for an access token with the refresh token. Zoho reports errors inside a 200.
func (c *Client) exchange(ctx context.Context, _ rest.Grant) (rest.Grant, error) {
	form := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {c.ClientID}, "client_secret": {c.ClientSecret}, "refresh_token": {c.RefreshToken},
	}
	asked := time.Now().UTC()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return rest.Grant{}, errors.New("fetch an access token: the token URL is not valid")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := c.send(request)
	if err == nil && got.Status >= 500 {
		err = &rest.Unreachable{Err: fmt.Errorf("answered %d", got.Status)}
	}
	var grant rest.Grant
	if err == nil {
		grant, err = c.readGrant(got, asked)
	}
	if err != nil {
		return rest.Grant{}, fmt.Errorf("fetch an access token: %w", err)
	}
	return grant, nil
}

// readGrant reads the answer to a refresh-token grant.
func (c *Client) readGrant(got rest.Answer, asked time.Time) (rest.Grant, error) {
	var body struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"`
		Error   string      `json:"error"`
	}
	_ = json.Unmarshal(got.Body, &body)
	if body.Token == "" || strings.ContainsFunc(body.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		reason := rest.Clean(body.Error, []string{c.ClientSecret, c.RefreshToken})
		return rest.Grant{}, fmt.Errorf("answered %d %s%s", got.Status, cmp.Or(reason, "without a token"), grantAdvice[body.Error])
	}
	seconds, err := body.Expires.Int64()
	if err != nil || seconds <= 0 || seconds > 24*3600 {
		seconds = 3600 // Zoho's access tokens live for an hour (OAuth, token validity)
	}
	return rest.Grant{AccessToken: body.Token, Expires: asked.Add(time.Duration(seconds) * time.Second)}, nil
}

// grantAdvice says what a person can do about an error of the accounts server.
var grantAdvice = map[string]string{
	"invalid_client":        "; check the client id, and that the data centre is the account's own",
	"invalid_client_secret": "; check the client secret",
	"invalid_code":          "; the refresh token is wrong, was revoked, or belongs to another data centre",
	"Access Denied":         "; Zoho makes ten access tokens in ten minutes for a refresh token, and somebody else uses this one too",
}
