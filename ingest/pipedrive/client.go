package pipedrive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// Client calls Pipedrive's API with a company's API token. Set the fields once. Its errors show neither the token nor a password.
type Client struct {
	HTTP      *http.Client // nil: http.DefaultClient
	URL       string       // scheme and host of the API
	Token     string
	Companies ingest.AccountIDs // of which the token's company must be one; empty: any
	Passwords []string          // of webhooks; no error may show them

	clock   ingest.Clock
	gate    rest.Gate
	budget  rest.Budget // of API tokens, the company's of a day
	turns   rest.Turns  // of calls for records
	mu      sync.Mutex  // guards what follows
	company string      // of the token; empty: not known yet
}

const (
	attempts  = 5
	maxAnswer = 32 << 20 // bytes: 500 records with long texts
	// maxClosed is how long a call waits for the API's limit to be reset. Beyond it calls fail until then.
	maxClosed = time.Minute
	// blockedFor is how long nothing is asked after the daily budget is used up, or after Pipedrive's firewall blocked the bridge.
	blockedFor = 10 * time.Minute
)

// apiError is what the API answered instead of doing what was asked.
type apiError struct {
	Status int
	Reason string // as Pipedrive gives it, without secrets
}

func (e *apiError) Error() string {
	return fmt.Sprintf("answered %d %s%s", e.Status, e.Reason, advice[e.Status])
}

// advice says what a person can do about a status.
var advice = map[int]string{
	http.StatusUnauthorized: "; check BRIDGE_PIPEDRIVE_API_TOKEN",
	http.StatusForbidden:    "; the API token's user must be a deal admin; after too many requests Pipedrive's firewall answers so, too",
}

// errDaily says that the company may not call the API any more today.
var errDaily = errors.New("the daily API budget of the company is used up; other programs share it, and a larger plan or more seats raise it")

// apiAnswer is an answer of the API.
type apiAnswer struct {
	Success *bool           `json:"success"`
	Data    json.RawMessage `json:"data"`
	More    struct {
		Cursor string `json:"next_cursor"`
		offsetPage
		Pagination offsetPage `json:"pagination"`
	} `json:"additional_data"`
	Error any `json:"error"`
	Info  any `json:"error_info"`
}

// offsetPage says whether a list that is paged by offset has another page.
type offsetPage struct {
	More *bool `json:"more_items_in_collection"`
}

// call sends a request, and repeats it with growing pauses where Pipedrive is unreachable or fails, unless it is a POST that may have been
// carried out. A 429 is waited out, also by other calls.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, send any) (answer apiAnswer, err error) {
	err = retry.Policy{Attempts: attempts}.Do(ctx, func() (again bool, after time.Duration, err error) {
		if err := c.gate.Pass(ctx, maxClosed); err != nil {
			return false, 0, err
		}
		answer, err = c.attempt(ctx, method, path, query, send)
		var away *rest.Unreachable
		var refusal *apiError
		switch {
		case errors.As(err, &away):
			return method != http.MethodPost, 0, err
		case errors.As(err, &refusal):
			return refusal.Status == http.StatusTooManyRequests || refusal.Status >= 500 && method != http.MethodPost, 0, err
		}
		return false, 0, err
	})
	if err != nil {
		err = fmt.Errorf("pipedrive: %s %s: %w", method, path, err)
	}
	return answer, err
}

// attempt sends a request once.
func (c *Client) attempt(ctx context.Context, method, path string, query url.Values, send any) (answer apiAnswer, err error) {
	request, err := rest.NewRequest(ctx, method, c.URL+"/"+path, send)
	if err != nil {
		return answer, err
	}
	request.URL.RawQuery = query.Encode()
	request.Header.Set("X-Api-Token", c.Token)
	sent := time.Now()
	got, err := rest.Sender{HTTP: c.HTTP, MaxAnswer: maxAnswer}.Do(request)
	if err != nil {
		return answer, err
	}
	if got.Status < 500 { // a proxy in between has its own clock
		c.clock.Observe(got.Header, sent, time.Now())
	}
	if left, err := strconv.Atoi(got.Header.Get("X-Daily-Ratelimit-Token-Remaining")); err == nil && got.Status < 400 {
		c.budget.Count(left, left)
	}
	broken := json.Unmarshal(got.Body, &answer)
	good := got.Status >= 200 && got.Status < 300
	switch {
	case good && (broken == nil && (answer.Success == nil || *answer.Success) || len(got.Body) == 0):
		return answer, nil
	case got.Status == http.StatusTooManyRequests && got.Header.Get("X-Daily-Ratelimit-Token-Remaining") == "0":
		c.gate.Close(blockedFor)
		return answer, errDaily
	case got.Status == http.StatusTooManyRequests:
		c.gate.Close(resetAfter(got.Header))
	case got.Status == http.StatusForbidden && broken != nil: // a page of the firewall
		c.gate.Close(blockedFor)
	}
	return answer, c.refusal(got.Status, broken, answer)
}

// refusal returns the error of an answer, with its secrets masked.
func (c *Client) refusal(status int, broken error, answer apiAnswer) *apiError {
	text := "without an answer of the documented shape"
	if broken == nil {
		text = fmt.Sprint(cmp.Or(answer.Error, any("no reason")))
		if answer.Info != nil {
			text += fmt.Sprint(" (", answer.Info, ")")
		}
	}
	return &apiError{status, rest.Clean(text, append([]string{c.Token}, c.Passwords...))}
}

// resetAfter returns when the API's burst limit is reset: x-ratelimit-reset is in seconds, from now or since 1970. Milliseconds since 1970
// are understood, too.
func resetAfter(header http.Header) time.Duration {
	reset, err := strconv.ParseInt(header.Get("X-Ratelimit-Reset"), 10, 64)
	switch after := retry.After(header); {
	case after > 0:
		return after
	case err != nil || reset < 0:
		return 2 * time.Second // the documented window
	case reset > 1e11:
		return max(0, time.Until(time.UnixMilli(reset)))
	case reset > 1e9:
		return max(0, time.Until(time.Unix(reset, 0)))
	}
	return time.Duration(reset) * time.Second
}
