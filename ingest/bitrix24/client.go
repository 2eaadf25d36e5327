package bitrix24

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
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
	maxTries  = 8                // of one call
	maxAnswer = 32 << 20         // bytes; 50 records with long texts
	maxWait   = 2 * time.Minute  // between two tries
	burst     = 5                // requests at once, of the 50 that a portal bears
	timeout   = 30 * time.Second // of one request
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

func (c *Client) call(ctx context.Context, member, method string, params map[string]any) (json.RawMessage, error) {
	have, err := c.access(ctx, member)
	if err != nil {
		return nil, err
	}
	renewed := false
	for try := 1; ; try++ {
		if err := c.bucket(member).Wait(ctx); err != nil {
			return nil, err
		}
		result, pause, err := c.post(ctx, c.clock(member), have, method, params)
		switch {
		case err == nil:
			return result, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !renewed && (refusedWith(err, "expired_token") || c.moved(member, err)):
			if have, err = c.renew(ctx, member, have.AccessToken); err != nil {
				return nil, err
			}
			renewed = true
			continue
		case try >= maxTries || !passing(err) || reserves(method, params) && unsure(err):
			return nil, err
		}
		pause = max(pause, backoff(err, try))
		c.log().Debug("Bitrix24 asks for patience", "portal", member, "method", method, "try", try, "wait", pause, "reason", err)
		if ended := sleep(ctx, pause); ended != nil {
			return nil, fmt.Errorf("%w, and no time is left to wait: %w", err, ended)
		}
	}
}

// post makes one request: the parameters as JSON, with the access token among them, so that it is in no URL. pause is what
// a Retry-After asks for.
func (c *Client) post(ctx context.Context, clock *ingest.Clock, have access, method string, params map[string]any) (result json.RawMessage, pause time.Duration, err error) {
	fields := make(map[string]any, len(params)+1)
	for name, value := range params {
		fields[name] = value
	}
	fields["auth"] = have.AccessToken
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, have.Endpoint+method, bytes.NewReader(body))
	if err != nil {
		return nil, 0, errors.New("its address is not one")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	sent := time.Now()
	answer, header, status, err := c.do(request, maxAnswer)
	if err != nil {
		return nil, 0, err
	}
	if status < 500 { // a proxy on the way has a clock of its own
		clock.Observe(header, sent, time.Now())
	}
	if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil && seconds > 0 {
		pause = min(time.Duration(seconds)*time.Second, maxWait)
	}
	result, err = readAnswer(status, answer, have.AccessToken, have.RefreshToken, have.ApplicationToken, c.ClientSecret)
	return result, pause, err
}

// do sends a request and reads its answer, of at most limit bytes. Its errors never hold the URL, which may be secret.
func (c *Client) do(request *http.Request, limit int64) (body []byte, header http.Header, status int, err error) {
	client := http.Client{Timeout: timeout}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, 0, withoutURL(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err = io.ReadAll(io.LimitReader(response.Body, limit+1)); err != nil {
		return nil, nil, 0, &unreachable{withoutURL(err)}
	}
	if int64(len(body)) > limit {
		return nil, nil, 0, fmt.Errorf("the answer is longer than %d bytes", limit)
	}
	return body, response.Header, response.StatusCode, nil
}

// unreachable is an error of the connection: a later try may succeed.
type unreachable struct{ error }

func (u *unreachable) Unwrap() error { return u.error }

func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &unreachable{err}
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

// shown is text of Bitrix24's as it may be printed: without secrets, on one line, and short.
func shown(value any, secrets []string) string {
	if value == nil {
		return ""
	}
	text := fmt.Sprint(value)
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	text = tokenLike.ReplaceAllString(text, "***")
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}
