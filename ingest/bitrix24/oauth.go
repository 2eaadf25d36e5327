package bitrix24

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// defaultOAuthURL is Bitrix24's OAuth server, the only one that may see the client secret (settings/oauth/index.md).
const defaultOAuthURL = "https://oauth.bitrix.info"

// granted is the OAuth server's answer. Its domain is the server's own and is not used.
type granted struct {
	AccessToken    string      `json:"access_token"`
	RefreshToken   string      `json:"refresh_token"`
	ClientEndpoint string      `json:"client_endpoint"`
	MemberID       string      `json:"member_id"`
	ExpiresIn      json.Number `json:"expires_in"` // a number in the documents, a string in callbacks
	Error          string      `json:"error"`
	Description    string      `json:"error_description"`
}

// oauth is the OAuth server, with the application's credentials.
type oauth struct {
	url, clientID, clientSecret string

	http *http.Client
	log  *slog.Logger
}

// exchange exchanges a refresh token, which works once, for new tokens. It makes three attempts where the server is unreachable.
func (o oauth) exchange(ctx context.Context, refreshToken string) (answer granted, err error) {
	query := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {o.clientID}, "client_secret": {o.clientSecret}, "refresh_token": {refreshToken},
	}
	err = retry.Policy{Attempts: 3}.Do(ctx, func() (again bool, after time.Duration, err error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url+"/oauth/token/?"+query.Encode(), nil)
		if err != nil {
			return false, 0, errors.New("BRIDGE_BITRIX24_OAUTH_URL is not a URL")
		}
		got, err := rest.Sender{HTTP: o.http, MaxAnswer: 64 << 10}.Do(request)
		if err == nil {
			answer, err = readGranted(got.Status, got.Body, refreshToken, o.clientSecret)
		}
		return passing(err), retry.After(got.Header), err
	})
	if err != nil {
		return granted{}, fmt.Errorf("the OAuth server: %w", err)
	}
	return answer, nil
}

// readGranted reads an answer of the OAuth server. An error in it counts whatever its status.
func readGranted(status int, body []byte, secrets ...string) (granted, error) {
	var answer granted
	err := json.Unmarshal(body, &answer)
	switch {
	case err == nil && answer.Error != "":
		return granted{}, &apiError{status, shown(answer.Error, secrets), shown(answer.Description, secrets)}
	case err != nil || status != http.StatusOK || answer.AccessToken == "" || answer.RefreshToken == "" || answer.MemberID == "":
		return granted{}, &apiError{Status: status, Description: "the answer is not of the documented shape"}
	}
	return answer, nil
}

// accepted converts an answer to credentials, if it is for member and its endpoint may be called.
func (o oauth) accepted(answer granted, member, applicationToken string) (credentials, error) {
	if answer.MemberID != member {
		return credentials{}, errors.New("the OAuth server gave tokens of another portal")
	}
	endpoint, err := checkEndpoint(o.url, answer.ClientEndpoint)
	if err != nil {
		return credentials{}, err
	}
	return credentials{
		Grant:    rest.Grant{AccessToken: answer.AccessToken, RefreshToken: answer.RefreshToken, Expires: rest.ExpiresIn(time.Now(), answer.ExpiresIn)},
		Endpoint: endpoint, ApplicationToken: applicationToken,
	}, nil
}

// token returns a portal's access token, kept in stored. It is renewed when the portal refuses it as expired.
func (o oauth) token(stored rest.Value[credentials], member string) *rest.Token[credentials] {
	stored.Lenient = true // what cannot be decoded is replaced by a new installation
	return &rest.Token[credentials]{
		Value: stored, Missing: errNotInstalled,
		Grant:    func(have *credentials) *rest.Grant { return &have.Grant },
		Exchange: func(ctx context.Context, have credentials) (credentials, error) { return o.renewed(ctx, member, have) },
	}
}

// renewed exchanges the refresh token of a portal's credentials. A replica that dies after the OAuth server has answered, and
// before the answer is stored, loses both tokens; only a new installation helps then.
func (o oauth) renewed(ctx context.Context, member string, have credentials) (credentials, error) {
	answer, err := o.exchange(ctx, have.RefreshToken)
	if refusedWith(err, "invalid_grant", "invalid_client", "invalid_request", "PAYMENT_REQUIRED") {
		err = fmt.Errorf("%w: install the application again: %w", rest.ErrRefused, err)
	}
	if err != nil {
		return credentials{}, err
	}
	if _, wrong := checkEndpoint(o.url, answer.ClientEndpoint); wrong != nil { // the tokens are valid all the same
		o.log.Warn("a portal's address was not updated", "portal", member, "endpoint", have.Endpoint, "reason", wrong)
		answer.ClientEndpoint = have.Endpoint
	}
	return o.accepted(answer, member, have.ApplicationToken)
}
