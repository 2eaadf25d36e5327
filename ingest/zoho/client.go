package zoho

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// Client calls the API of Zoho CRM. Set the fields once; a Client may be used by many goroutines. Its errors show no token, no
// secret and no URL's query.
type Client struct {
	HTTP         *http.Client // nil: http.DefaultClient
	TokenURL     string       // of the accounts server, for access tokens
	APIURL       string       // scheme and host of the API
	Version      Version
	ClientID     string
	ClientSecret string
	RefreshToken string
	State        ingest.State  // Secret holds the access token that replicas share
	Timeout      time.Duration // of one attempt; 0: 30 s
	Attempts     int           // of one call; 0: 5
	Log          *slog.Logger

	clock  ingest.Clock
	budget rest.Budget // of a day's API credits
	turns  rest.Turns  // of calls for records
	mu     sync.Mutex  // guards what follows
	token  *rest.Token[rest.Grant]
	fields map[string]fieldList // of modules whose records are read
}

// call is a request to the API.
type call struct {
	method string
	path   string // below /crm/{version}/
	query  url.Values
	body   any       // sent as JSON
	since  time.Time // If-Modified-Since
	once   bool      // not repeated if it may have been carried out
}

// now returns Zoho's time, as the Date of its answers showed it. Expiries and modification times are by that clock.
func (c *Client) now() time.Time { return c.clock.Now() }

// do sends a call, and repeats it with growing pauses after a broken connection, a 429 or a 5xx, and once with a new access token
// after a 401. The answer's status is below 500, and neither 429 nor 401.
func (c *Client) do(ctx context.Context, call call) (got answer, err error) {
	renewed := false
	err = retry.Policy{Attempts: c.attempts()}.Do(ctx, func() (again bool, after time.Duration, err error) {
		grant, err := c.access(ctx, "")
		if err != nil {
			return false, 0, err
		}
		got, err = c.attempt(ctx, call, grant.AccessToken)
		if err == nil && got.Status == http.StatusUnauthorized && !renewed && got.code() != scopeMismatch {
			renewed = true
			if grant, err = c.access(ctx, grant.AccessToken); err != nil {
				return false, 0, err
			}
			got, err = c.attempt(ctx, call, grant.AccessToken)
		}
		var away *rest.Unreachable
		switch {
		case errors.As(err, &away):
			return !call.once, 0, err
		case err != nil:
			return false, 0, err
		case got.Status == http.StatusTooManyRequests:
			return true, retry.After(got.Header), got.err()
		case got.Status >= 500:
			return !call.once, retry.After(got.Header), got.err()
		case got.Status == http.StatusUnauthorized:
			return false, 0, got.err()
		}
		return false, 0, nil
	})
	if err != nil {
		return got, call.wrap(err)
	}
	return got, nil
}

// inTurn is do for a call that reads records.
func (c *Client) inTurn(ctx context.Context, rank rest.Rank, call call) (answer, error) {
	done, err := c.turns.Take(ctx, rank)
	if err != nil {
		return answer{}, call.wrap(err)
	}
	defer done()
	return c.do(ctx, call)
}

// address returns the URL of a path of the API.
func (c *Client) address(path string) string {
	return c.APIURL + "/crm/" + string(c.Version) + "/" + path
}

// attempt sends a call once.
func (c *Client) attempt(ctx context.Context, call call, token string) (answer, error) {
	address := c.address(call.path)
	if len(call.query) > 0 {
		address += "?" + call.query.Encode()
	}
	request, err := rest.NewRequest(ctx, call.method, address, call.body)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Zoho-oauthtoken "+token)
	if !call.since.IsZero() {
		request.Header.Set("If-Modified-Since", formatTime(call.since))
	}
	sent := time.Now()
	got, err := send(c.sender(), request)
	if err != nil {
		return answer{}, err
	}
	if got.Status < 500 { // a proxy in between has its own clock
		c.clock.Observe(got.Header, sent, time.Now())
	}
	c.count(got.Header, got.Status)
	return answer{got, []string{token, c.ClientSecret, c.RefreshToken}}, nil
}

func (c *Client) attempts() int { return cmp.Or(c.Attempts, 5) }

func (c *Client) sender() rest.Sender {
	return rest.Sender{HTTP: c.HTTP, Timeout: c.Timeout, MaxAnswer: maxAnswer}
}

// access returns an access token that is valid for some minutes and is not stale.
func (c *Client) access(ctx context.Context, stale string) (grant rest.Grant, err error) {
	token := c.accessToken()
	err = retry.Policy{Attempts: min(3, c.attempts())}.Do(ctx, func() (again bool, after time.Duration, err error) {
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

func (c *Client) accounts() accounts {
	return accounts{url: c.TokenURL, clientID: c.ClientID, clientSecret: c.ClientSecret, refreshToken: c.RefreshToken, sender: c.sender()}
}

func (c *Client) accessToken() *rest.Token[rest.Grant] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == nil {
		c.token = c.accounts().token(c.State.Secret)
	}
	return c.token
}

// count reads from an answer how many API credits are left. Zoho says it once half of a day's are used.
func (c *Client) count(header http.Header, status int) {
	left, err := strconv.Atoi(header.Get("X-API-CREDITS-REMAINING"))
	switch {
	case err == nil:
		c.budget.Count(left, 2*left)
	case status < 300:
		c.budget.Forget()
	}
}

// wrap adds what was being done, without the query, which may hold secrets.
func (call call) wrap(err error) error {
	return fmt.Errorf("zoho: %s %s: %w", call.method, call.path, err)
}

// formatTime formats a time as Zoho accepts it: with an offset, without milliseconds.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

// parseTime parses a time as Zoho formats it.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil && t.Year() > 1 && t.Year() <= 9999 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
