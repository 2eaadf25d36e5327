package bitrix24

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// DefaultOAuthURL is Bitrix24's OAuth server, the only one that may see the client secret (settings/oauth/index.md).
const DefaultOAuthURL = "https://oauth.bitrix.info"

// claimFor is how long a replica may take to exchange a refresh token before another tries.
const claimFor = 40 * time.Second

// refusedFor is how long a refresh token is not shown again after the OAuth server refused it for good: it may block
// applications that ask too often.
const refusedFor = time.Hour

// granted is the OAuth server's answer. Its domain is the server's own, so it is of no use.
type granted struct {
	AccessToken    string      `json:"access_token"`
	RefreshToken   string      `json:"refresh_token"`
	ClientEndpoint string      `json:"client_endpoint"`
	MemberID       string      `json:"member_id"`
	ExpiresIn      json.Number `json:"expires_in"` // a number in the documents, a string in callbacks
	Error          string      `json:"error"`
	Description    string      `json:"error_description"`
}

func (c *Client) oauthURL() string {
	if c.OAuthURL == "" {
		return DefaultOAuthURL
	}
	return strings.TrimSuffix(c.OAuthURL, "/")
}

// exchange gives a refresh token for a new pair, at the OAuth server alone. The old token no longer works then. It tries
// three times where the server cannot be reached.
func (c *Client) exchange(ctx context.Context, refreshToken string) (granted, error) {
	query := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {c.ClientID}, "client_secret": {c.ClientSecret}, "refresh_token": {refreshToken},
	}
	var last error
	for try := 1; try <= 3; try++ {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.oauthURL()+"/oauth/token/?"+query.Encode(), nil)
		if err != nil {
			return granted{}, errors.New("BRIDGE_BITRIX24_OAUTH_URL is not a URL")
		}
		body, _, status, err := c.do(request, 64<<10)
		var answer granted
		if err == nil {
			answer, err = readGranted(status, body, refreshToken, c.ClientSecret)
		}
		if err == nil {
			return answer, nil
		}
		last = fmt.Errorf("the OAuth server: %w", err)
		if !passing(err) || try == 3 || sleep(ctx, backoff(err, try)) != nil {
			break
		}
	}
	return granted{}, last
}

// readGranted reads an answer of the OAuth server. Whatever its status, an error in it is one.
func readGranted(status int, body []byte, secrets ...string) (granted, error) {
	var answer granted
	err := json.Unmarshal(body, &answer)
	switch {
	case err == nil && answer.Error != "":
		return granted{}, &Refusal{status, shown(answer.Error, secrets), shown(answer.Description, secrets)}
	case err != nil || status != http.StatusOK || answer.AccessToken == "" || answer.RefreshToken == "" || answer.MemberID == "":
		return granted{}, &Refusal{Status: status, Description: "the answer is not of the documented shape"}
	}
	return answer, nil
}

// accepted makes credentials of an answer, if it is for member and names a portal that may be called.
func (c *Client) accepted(answer granted, member, applicationToken string) (access, error) {
	if answer.MemberID != member {
		return access{}, errors.New("the OAuth server gave tokens of another portal")
	}
	endpoint, err := c.checkEndpoint(answer.ClientEndpoint)
	if err != nil {
		return access{}, err
	}
	seconds, err := answer.ExpiresIn.Int64()
	if err != nil || seconds <= 0 || seconds > 86400 {
		seconds = 3600
	}
	return access{
		Endpoint: endpoint, AccessToken: answer.AccessToken, RefreshToken: answer.RefreshToken, ApplicationToken: applicationToken,
		Expires: time.Now().Add(time.Duration(seconds) * time.Second).UTC(),
	}, nil
}

// renew returns credentials whose access token is another than stale, and stores them before anybody uses them. One
// replica at a time exchanges the refresh token, which works once: it claims the stored credentials first, which also
// shows that they can be stored. A replica that dies after the OAuth server has answered, and before the answer is stored,
// loses both tokens; what is left then is a new installation.
func (c *Client) renew(ctx context.Context, member, stale string) (access, error) {
	have, revision, err := c.claim(ctx, member, stale)
	if err != nil || have.AccessToken != stale {
		return have, err
	}
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimFor-5*time.Second) // too late to give up half way
	defer cancel()
	answer, err := c.exchange(work, have.RefreshToken)
	if err == nil {
		if _, wrong := c.checkEndpoint(answer.ClientEndpoint); wrong != nil { // the tokens are good all the same
			c.log().Warn("the portal stays where it was", "portal", member, "endpoint", have.Endpoint, "reason", wrong)
			answer.ClientEndpoint = have.Endpoint
		}
		var next access
		if next, err = c.accepted(answer, member, have.ApplicationToken); err == nil {
			return c.stored(work, member, unsaved{next, have.RefreshToken, revision})
		}
	}
	have.Claimed = time.Time{}
	if refusedWith(err, "invalid_grant", "invalid_client", "invalid_request", "PAYMENT_REQUIRED") {
		have.Refused, have.Reason = time.Now().UTC(), err.Error()
		err = lapsed(have)
	}
	if _, failed := c.save(work, member, have, revision); failed != nil && !errors.Is(failed, ingest.ErrConflict) {
		err = errors.Join(err, failed)
	}
	return access{}, err
}

// claim loads credentials, and claims them for claimFor if their access token is stale. While another replica has claimed
// them it waits.
func (c *Client) claim(ctx context.Context, member, stale string) (access, uint64, error) {
	for {
		have, revision, err := c.load(ctx, member)
		if err != nil {
			return access{}, 0, err
		}
		if have.RefreshToken == "" {
			return access{}, 0, ErrNotInstalled
		}
		if have.AccessToken != stale {
			return have, revision, nil
		}
		if time.Since(have.Refused) < refusedFor {
			return access{}, 0, lapsed(have)
		}
		if time.Until(have.Claimed) > 0 {
			if err := sleep(ctx, min(250*time.Millisecond, time.Until(have.Claimed))); err != nil {
				return access{}, 0, err
			}
			continue
		}
		have.Claimed = time.Now().Add(claimFor).UTC()
		if revision, err = c.save(ctx, member, have, revision); !errors.Is(err, ingest.ErrConflict) {
			return have, revision, err
		}
	}
}

// stored keeps new credentials and returns what is to be used: the younger ones, where somebody has installed the
// application anew meanwhile.
func (c *Client) stored(ctx context.Context, member string, u unsaved) (access, error) {
	err := c.keep(ctx, member, u)
	if errors.Is(err, ingest.ErrConflict) {
		return c.access(ctx, member)
	}
	if err != nil {
		return access{}, err
	}
	return u.value, nil
}

func lapsed(have access) error {
	return fmt.Errorf("its tokens can no longer be renewed; install the application again (asked last at %s: %s)",
		have.Refused.Format(time.RFC3339), have.Reason)
}
