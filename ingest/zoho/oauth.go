package zoho

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Zoho makes ten access tokens for a refresh token in ten minutes, and refuses more for a while. One is left to others
// who use the same refresh token.
const (
	tokenLimit  = 9
	tokenWindow = 10 * time.Minute
	tokenEarly  = 5 * time.Minute  // a token is replaced so long before its end
	tokenWait   = 10 * time.Second // how long one replica waits for the token that another is fetching
)

// errAway says that the accounts server gave no answer of its own.
var errAway = errors.New("the accounts server is away")

// access is the access token that replicas share, and when tokens were asked for.
type access struct {
	Token   string      `json:"token,omitempty"`
	Ends    time.Time   `json:"ends,omitzero"`
	Asked   []time.Time `json:"asked,omitempty"`   // in the last tokenWindow
	Pending bool        `json:"pending,omitempty"` // the last of them is not answered yet
}

func (a access) valid() bool { return a.Token != "" && time.Until(a.Ends) > tokenEarly }

// token returns an access token that is good for some minutes, and fetches one where nobody has.
func (c *Client) token(ctx context.Context) (string, error) {
	c.mu.Lock()
	known := c.access
	c.mu.Unlock()
	if known.valid() {
		return known.Token, nil
	}
	for {
		shared, revision, err := c.loadAccess(ctx)
		if err != nil {
			return "", fmt.Errorf("load the access token: %w", err)
		}
		if shared.valid() && shared.Token != known.Token {
			c.remember(shared)
			return shared.Token, nil
		}
		if wait := shared.pending(); wait > 0 {
			if err := sleep(ctx, min(wait, time.Second)); err != nil {
				return "", err
			}
			continue
		}
		next, err := c.fetchToken(ctx, shared, revision)
		if errors.Is(err, ingest.ErrConflict) {
			continue
		}
		if err != nil {
			return "", err
		}
		c.remember(next)
		return next.Token, nil
	}
}

// pending is how long to wait for a token that another replica is fetching.
func (a access) pending() time.Duration {
	if !a.Pending || len(a.Asked) == 0 {
		return 0
	}
	since := time.Since(a.Asked[len(a.Asked)-1])
	if since < 0 { // by a clock that is ahead of ours
		return 0
	}
	return tokenWait - since
}

// fetchToken notes that a token is asked for, so that replicas together keep to the limit, and asks. It returns
// ErrConflict where another replica was faster.
func (c *Client) fetchToken(ctx context.Context, shared access, revision uint64) (access, error) {
	now := time.Now().UTC()
	shared.Asked = slices.DeleteFunc(shared.Asked, func(at time.Time) bool { return now.Sub(at) >= tokenWindow || at.Sub(now) >= tokenWindow })
	if len(shared.Asked) >= tokenLimit {
		again := slices.MinFunc(shared.Asked, time.Time.Compare).Add(tokenWindow)
		return access{}, fmt.Errorf("%d access tokens were asked for in ten minutes, and Zoho refuses more than ten: waiting until %s", tokenLimit, again.Format(time.RFC3339))
	}
	shared.Asked, shared.Pending = append(shared.Asked, now), true
	revision, err := c.saveAccess(ctx, shared, revision)
	if err != nil {
		return access{}, fmt.Errorf("note the request for an access token: %w", err)
	}
	token, ends, err := c.grant(ctx)
	shared.Pending = false
	if err == nil {
		shared.Token, shared.Ends = token, ends
	}
	// Where this is not saved the token still serves here, and other replicas fetch their own.
	_, saved := c.saveAccess(context.WithoutCancel(ctx), shared, revision)
	if saved != nil && err == nil && c.Log != nil {
		c.Log.WarnContext(ctx, "zoho: the access token could not be shared with other replicas", "error", saved)
	}
	return shared, err
}

// grant asks for an access token with the refresh token. Zoho tells errors inside a 200.
func (c *Client) grant(ctx context.Context) (token string, ends time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, orDefault(c.Timeout, 30*time.Second))
	defer cancel()
	form := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {c.ClientID}, "client_secret": {c.ClientSecret}, "refresh_token": {c.RefreshToken},
	}
	asked := time.Now().UTC()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", time.Time{}, errors.New("fetch an access token: the token URL is not valid")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, _, err := c.send(request)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("fetch an access token: %w: %w", errAway, err)
	}
	if got.status >= 500 {
		return "", time.Time{}, fmt.Errorf("fetch an access token: %w: answered %d", errAway, got.status)
	}
	return c.readGrant(got, asked)
}

// readGrant reads the answer to a refresh-token grant.
func (c *Client) readGrant(got answer, asked time.Time) (token string, ends time.Time, err error) {
	var body struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"`
		Error   string      `json:"error"`
	}
	_ = json.Unmarshal(got.body, &body)
	if body.Token == "" || strings.ContainsFunc(body.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		reason := clean(body.Error, []string{c.ClientSecret, c.RefreshToken})
		return "", time.Time{}, fmt.Errorf("fetch an access token: answered %d %s%s", got.status, orDefault(reason, "without a token"), grantMends[body.Error])
	}
	seconds, err := body.Expires.Int64()
	if err != nil || seconds <= 0 || seconds > 24*3600 {
		seconds = 3600 // Zoho's access tokens live for an hour (OAuth, token validity)
	}
	return body.Token, asked.Add(time.Duration(seconds) * time.Second), nil
}

var grantMends = map[string]string{
	"invalid_client":        "; check the client id, and that the data centre is the account's own",
	"invalid_client_secret": "; check the client secret",
	"invalid_code":          "; the refresh token is wrong, was revoked, or belongs to another data centre",
	"Access Denied":         "; Zoho makes ten access tokens in ten minutes for a refresh token, and somebody else uses this one too",
}

// forget drops a token that Zoho did not take, here and for the other replicas.
func (c *Client) forget(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.access.Token == token {
		c.access.Ends = time.Time{}
	}
}

func (c *Client) remember(a access) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.access = a
}

// accessKey names the token's place by a digest of who it is for, so that a changed refresh token has a new one.
func (c *Client) accessKey() string {
	sum := sha256.Sum256([]byte(c.TokenURL + "\n" + c.ClientID + "\n" + c.RefreshToken))
	return "zoho.access." + hex.EncodeToString(sum[:16])
}

func (c *Client) loadAccess(ctx context.Context) (a access, revision uint64, err error) {
	if c.State.Secret == nil {
		return access{}, 0, errors.New("the client has no state to keep it in")
	}
	raw, revision, err := c.State.Secret.Load(ctx, c.accessKey())
	if err != nil {
		return access{}, 0, err
	}
	_ = json.Unmarshal(raw, &a) // what cannot be read is fetched anew
	return a, revision, nil
}

func (c *Client) saveAccess(ctx context.Context, a access, revision uint64) (uint64, error) {
	raw, err := json.Marshal(a)
	if err != nil {
		return 0, err
	}
	return c.State.Secret.Save(ctx, c.accessKey(), raw, revision)
}
