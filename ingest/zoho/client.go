package zoho

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Client calls the API of Zoho CRM. Set the fields once; a Client may be used by many goroutines. No error of it shows a
// token, a secret, or a URL's query.
type Client struct {
	HTTP         *http.Client // nil: http.DefaultClient
	TokenURL     string       // where access tokens are made
	APIURL       string       // scheme and host of the API
	Version      Version
	ClientID     string
	ClientSecret string
	RefreshToken string
	State        ingest.State  // Secret holds the access token that replicas share
	Timeout      time.Duration // of one attempt; 0: 30 s
	Attempts     int           // of one call; 0: 5
	Log          *slog.Logger
	// Credits, where set, is told how many API credits are left. Zoho says so once half of the day's are used
	// (X-API-CREDITS-REMAINING).
	Credits func(left int)

	clock   ingest.Clock
	mu      sync.Mutex // guards what follows
	access  access     // the token last used
	left    int        // credits that are left; 0: more than half
	highest int        // the most that were left since then: about half of a day's
}

// maxAnswer bounds the body of an answer.
const maxAnswer = 16 << 20

// call is a request to the API.
type call struct {
	method string
	path   string // below /crm/{version}/
	query  url.Values
	body   any       // sent as JSON
	since  time.Time // If-Modified-Since
	once   bool      // what may have been done already is not repeated: only refused requests are sent again
}

// answer is what the API said.
type answer struct {
	status  int
	body    []byte
	secrets []string // what the request carried, and no error may show
}

// Now is the time by Zoho's clock, as the Date of its answers showed it. Expiries and modification times are by that clock, and
// ours may be wrong.
func (c *Client) Now() time.Time { return c.clock.Now() }

// do sends a call until it is answered: again, with growing pauses, after a broken connection, a 429 or a 5xx, and once
// with a new access token after a 401. The answer's status is below 500, and neither 429 nor 401.
func (c *Client) do(ctx context.Context, call call) (answer, error) {
	renewed := false
	for attempt := 1; ; attempt++ {
		token, err := c.token(ctx)
		for try := 1; errors.Is(err, errAway) && try < min(3, orDefault(c.Attempts, 5)) && sleep(ctx, backoff(try)) == nil; try++ {
			token, err = c.token(ctx)
		}
		if err != nil {
			return answer{}, call.wrap(err)
		}
		got, wait, err := c.attempt(ctx, call, token)
		switch {
		case err == nil && got.status == http.StatusUnauthorized && !renewed && got.code() != "OAUTH_SCOPE_MISMATCH":
			renewed = true
			c.forget(token)
			attempt--
			continue
		case err == nil && got.status == http.StatusUnauthorized:
			return got, call.wrap(got.err())
		case err == nil && got.status != http.StatusTooManyRequests && got.status < 500:
			return got, nil
		case err == nil:
			err = got.err()
		}
		again := got.status == http.StatusTooManyRequests || !call.once
		if attempt >= orDefault(c.Attempts, 5) || ctx.Err() != nil || !again {
			return got, call.wrap(err)
		}
		if err := sleep(ctx, max(wait, backoff(attempt))); err != nil {
			return answer{}, call.wrap(err)
		}
	}
}

// attempt sends a call once. wait is what the answer asks to wait before the next one.
func (c *Client) attempt(ctx context.Context, call call, token string) (got answer, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, orDefault(c.Timeout, 30*time.Second))
	defer cancel()
	var body io.Reader
	if call.body != nil {
		raw, err := json.Marshal(call.body)
		if err != nil {
			return answer{}, 0, err
		}
		body = bytes.NewReader(raw)
	}
	address := c.APIURL + "/crm/" + string(c.Version) + "/" + call.path
	if len(call.query) > 0 {
		address += "?" + call.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, call.method, address, body)
	if err != nil {
		return answer{}, 0, errors.New("the URL of the API is not valid")
	}
	request.Header.Set("Authorization", "Zoho-oauthtoken "+token)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if !call.since.IsZero() {
		request.Header.Set("If-Modified-Since", formatTime(call.since))
	}
	sent := time.Now()
	got, header, err := c.send(request)
	if err != nil {
		return answer{}, 0, err
	}
	if got.status < 500 { // a proxy on the way has a clock of its own
		c.clock.Observe(header, sent, time.Now())
	}
	got.secrets = []string{token, c.ClientSecret, c.RefreshToken}
	c.count(header, got.status)
	seconds, _ := strconv.Atoi(header.Get("Retry-After"))
	return got, min(time.Duration(max(seconds, 0))*time.Second, time.Minute), nil
}

// send sends a request and reads the answer whole. Redirects are not followed: they would take secrets elsewhere.
func (c *Client) send(request *http.Request) (answer, http.Header, error) {
	client := *orDefault(c.HTTP, http.DefaultClient)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		var withURL *url.Error
		if errors.As(err, &withURL) {
			err = withURL.Err
		}
		return answer{}, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, nil, fmt.Errorf("the answer broke off: %w", err)
	}
	if len(body) > maxAnswer {
		return answer{}, nil, fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)
	}
	if 300 <= response.StatusCode && response.StatusCode < 400 && response.StatusCode != http.StatusNotModified {
		return answer{}, nil, fmt.Errorf("answered with a redirect (%d), which is not followed: check the host", response.StatusCode)
	}
	return answer{status: response.StatusCode, body: body}, response.Header, nil
}

// count reads from an answer what credits are left.
func (c *Client) count(header http.Header, status int) {
	c.mu.Lock()
	left, err := strconv.Atoi(header.Get("X-API-CREDITS-REMAINING"))
	switch {
	case err == nil:
		c.left = max(left, 1)
		c.highest = max(c.highest, c.left)
	case status < 300:
		c.left, c.highest = 0, 0
	}
	c.mu.Unlock()
	if err == nil && c.Credits != nil {
		c.Credits(left)
	}
}

// wrap says what was being done. A query may hold secrets, so it is not told.
func (call call) wrap(err error) error {
	return fmt.Errorf("zoho: %s %s: %w", call.method, call.path, err)
}

// backoff is the pause after an attempt: a second, two, four … up to a minute, less up to a half by chance.
func backoff(attempt int) time.Duration {
	pause := min(time.Second<<min(attempt-1, 6), time.Minute)
	return pause - rand.N(pause/2) //nolint:gosec // spreads replicas, guards nothing
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// formatTime writes a time as Zoho takes it: with an offset, without milliseconds, which it refuses.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

// parseTime reads a time as Zoho writes it.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil && t.Year() > 1 && t.Year() <= 9999 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
