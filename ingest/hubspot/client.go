package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// maxAnswer bounds an answer of the API: a hundred records, each with a thousand properties.
const maxAnswer = 32 << 20

// client calls HubSpot's API. Its errors show no token and no URL.
type client struct {
	url     string
	http    *http.Client // nil: http.DefaultClient
	log     *slog.Logger
	secrets []string                               // that an error must not show, whoever sent them
	heard   func(token string, header http.Header) // called with each answer; nil: nobody is interested
}

// bearer returns the access token of a call; stale is one that HubSpot has refused.
type bearer func(ctx context.Context, stale string) (string, error)

// apiError is what the API answered instead of doing what was asked.
type apiError struct {
	Status            int
	Category, Message string // as HubSpot gives them
	Policy            string // of a 429: the limit that was reached
}

func (e *apiError) Error() string {
	text := strings.TrimSuffix(fmt.Sprintf("HubSpot answered %d %s: %s", e.Status, e.Category, e.Message), ": ")
	switch {
	case e.Policy == daily:
		return text + "; the portal's daily limit is used up until its midnight"
	case e.Status == http.StatusUnauthorized:
		return text + "; check the access token, or the client id and secret"
	case e.Status == http.StatusForbidden:
		return text + "; grant the app the scopes that docs/hubspot.md lists"
	}
	return text
}

// daily is the policy of a 429 that does not pass before the portal's midnight (API usage guidelines).
const daily = "DAILY"

// answered reports whether the API answered with a status.
func answered(err error, status int) bool {
	var refused *apiError
	return errors.As(err, &refused) && refused.Status == status
}

// call sends a request, and reads the answer's JSON into an object, if there is one. It repeats it after a broken connection, a 5xx, and
// a 429 other than that of the day; after a 401 once, with another access token.
func (c *client) call(ctx context.Context, as bearer, method, path string, body, into any) (status int, err error) {
	stale := ""
	err = retry.Policy{Attempts: 5}.Do(ctx, func() (again bool, after time.Duration, err error) {
		token, err := as(ctx, stale)
		if err != nil {
			return false, 0, err
		}
		got, err := c.send(ctx, token, method, path, body)
		status = got.Status
		var away *rest.Unreachable
		var refused *apiError
		switch {
		case errors.As(err, &away):
			return true, 0, err
		case !errors.As(err, &refused):
			if err == nil && into != nil && status != http.StatusNoContent && json.Unmarshal(got.Body, into) != nil {
				err = &apiError{Status: status, Message: "the answer is not of the documented shape"}
			}
			return false, 0, err
		case status == http.StatusUnauthorized && stale == "":
			stale = token
			return true, time.Millisecond, err
		case status == http.StatusTooManyRequests:
			return refused.Policy != daily, max(retry.After(got.Header), pause[refused.Policy]), err
		}
		return status >= 500, retry.After(got.Header), err
	})
	return status, err
}

// pause is how long a limit may take to pass.
var pause = map[string]time.Duration{"TEN_SECONDLY_ROLLING": 10 * time.Second, "SECONDLY": time.Second}

// send sends a request once.
func (c *client) send(ctx context.Context, token, method, path string, body any) (rest.Answer, error) {
	request, err := rest.NewRequest(ctx, method, c.url+path, body)
	if err != nil {
		return rest.Answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	got, err := rest.Sender{HTTP: c.http, MaxAnswer: maxAnswer}.Do(request)
	if err == nil && c.heard != nil {
		c.heard(token, got.Header)
	}
	if err == nil && got.Status >= 300 {
		err = c.refusal(got, token)
	}
	return got, err
}

// refusal is the error of an answer that is not a success, without secrets and the access token of its request, if it had one.
func (c *client) refusal(got rest.Answer, token string) *apiError {
	var says struct{ Category, Message, PolicyName, Error string }
	_ = json.Unmarshal(got.Body, &says)
	return &apiError{got.Status, c.clean(says.Category+says.Error, token), c.clean(says.Message, token), c.clean(says.PolicyName, token)}
}

// clean returns a text of HubSpot without secrets.
func (c *client) clean(text string, tokens ...string) string {
	return rest.Clean(text, append(slices.Clone(c.secrets), tokens...), looks[0].Pattern)
}
