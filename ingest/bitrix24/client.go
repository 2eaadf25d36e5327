package bitrix24

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// Client calls the REST API of portals in which the application is installed. Set the fields once.
type Client struct {
	HTTP         *http.Client // nil: one with a timeout of 30 s. Redirects are never followed
	OAuthURL     string       // empty: https://oauth.bitrix.info. Over http (tests), portals may be reached over http too
	ClientID     string
	ClientSecret string
	State        ingest.State // credentials are kept in its Secret
	Rate         float64      // requests a second to one portal; 0: 2, what every plan allows for good (limits.md)
	Log          *slog.Logger // nil: nothing is logged

	mu      sync.Mutex
	portals map[string]*portal
}

// Bounds of a call.
const (
	maxTries  = 8               // of one call
	maxAnswer = 32 << 20        // bytes; 50 records with long texts
	maxWait   = 2 * time.Minute // between two tries
	burst     = 5               // requests at once, of the 50 that a portal bears
)

// Refusal is an answer of Bitrix24 that says no.
type Refusal struct {
	Status            int
	Code, Description string // as Bitrix24 gives them, without what is secret
}

func (r *Refusal) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("Bitrix24 answers %d %s: %s", r.Status, r.Code, r.Description), ": ")
}

// refusedWith reports whether Bitrix24 has answered with one of codes, in any letter case.
func refusedWith(err error, codes ...string) bool {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return false
	}
	for _, code := range codes {
		if strings.EqualFold(refusal.Code, code) {
			return true
		}
	}
	return false
}

// Call calls a method of a portal's API and decodes its result (nil: it is dropped). It waits for its turn, waits longer
// where the portal asks for patience or cannot be reached, at most eight times, and renews an access token that has expired. It may
// have been carried out more than once, unless it reserves offline events: then it is not repeated if it may have been
// carried out. Its errors hold no secret.
func (c *Client) Call(ctx context.Context, member, method string, params map[string]any, result any) error {
	raw, err := c.call(ctx, member, method, params)
	if err == nil && result != nil {
		if err = json.Unmarshal(raw, result); err != nil {
			err = errors.New("the answer is not of the documented shape")
		}
	}
	if err != nil {
		return fmt.Errorf("%s of portal %s: %w", method, member, err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, member, method string, params map[string]any) (result json.RawMessage, err error) {
	token := c.token(member)
	have, err := token.Get(ctx)
	if err != nil {
		return nil, err
	}
	renewed := false
	err = rest.Retry{Attempts: maxTries, Longest: maxWait}.Do(ctx, func() (again bool, after time.Duration, err error) {
		result, after, err = c.post(ctx, member, have, method, params)
		if !renewed && (refusedWith(err, "expired_token") || c.moved(member, err)) {
			renewed = true
			if have, err = token.Renew(ctx, have.AccessToken); err != nil {
				return false, 0, err
			}
			result, after, err = c.post(ctx, member, have, method, params)
		}
		if err != nil && ctx.Err() != nil {
			return false, 0, ctx.Err()
		}
		again = passing(err) && !(reserves(method, params) && unsure(err))
		if refusedWith(err, "OPERATION_TIME_LIMIT") { // a method whose time in ten minutes is used up takes longer to come back
			after = max(after, 30*time.Second)
		}
		if again {
			c.log().Debug("Bitrix24 asks for a retry", "portal", member, "method", method, "reason", err)
		}
		return again, after, err
	})
	return result, err
}

// post makes one request when it is its turn: the parameters as JSON, with the access token among them, so that it is in no URL.
// after is what a Retry-After asks for.
func (c *Client) post(ctx context.Context, member string, have credentials, method string, params map[string]any) (result json.RawMessage, after time.Duration, err error) {
	if err := c.bucket(member).Wait(ctx); err != nil {
		return nil, 0, err
	}
	fields := make(map[string]any, len(params)+1)
	maps.Copy(fields, params)
	fields["auth"] = have.AccessToken
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, have.Endpoint+method, bytes.NewReader(body))
	if err != nil {
		return nil, 0, errors.New("the portal's address is not a URL")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	sent := time.Now()
	answer, err := rest.Sender{HTTP: c.HTTP, MaxAnswer: maxAnswer}.Do(request)
	if err != nil {
		return nil, 0, err
	}
	if answer.Status < 500 { // a proxy on the way has a clock of its own
		c.clock(member).Observe(answer.Header, sent, time.Now())
	}
	result, err = readAnswer(answer.Status, answer.Body, have.AccessToken, have.RefreshToken, have.ApplicationToken, c.ClientSecret)
	return result, rest.RetryAfter(answer.Header), err
}

// readAnswer reads {"result":…} or {"error":…,"error_description":…}, and takes secrets out of the latter.
func readAnswer(status int, body []byte, secrets ...string) (json.RawMessage, error) {
	var answer struct {
		Result      json.RawMessage `json:"result"`
		Error       any             `json:"error"`
		Description any             `json:"error_description"`
	}
	broken := json.Unmarshal(body, &answer)
	if broken == nil && answer.Error == nil && status == http.StatusOK && answer.Result != nil {
		return answer.Result, nil
	}
	refusal := &Refusal{Status: status, Description: "the answer is not of the documented shape"}
	if broken == nil && answer.Error != nil {
		refusal.Code, refusal.Description = shown(answer.Error, secrets), shown(answer.Description, secrets)
	}
	return nil, refusal
}

// tokenLike is a run of characters that may be a token: no word is that long and has a digit in it.
var tokenLike = regexp.MustCompile(`[A-Za-z0-9+/=~-]{12,}[0-9][A-Za-z0-9+/=~-]*|[A-Za-z0-9+/=~-]*[0-9][A-Za-z0-9+/=~-]{12,}`)

// shown is text of Bitrix24's as it may be printed.
func shown(value any, secrets []string) string {
	if value == nil {
		return ""
	}
	return rest.Clean(fmt.Sprint(value), secrets, tokenLike)
}
