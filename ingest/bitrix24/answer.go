package bitrix24

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// apiError is an error that Bitrix24 answered with.
type apiError struct {
	Status            int
	Code, Description string // as Bitrix24 gives them, without secrets
}

func (r *apiError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("Bitrix24 answered %d %s: %s", r.Status, r.Code, r.Description), ": ")
}

// refusedWith reports whether Bitrix24 answered with one of codes, in any letter case.
func refusedWith(err error, codes ...string) bool {
	var refusal *apiError
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

// passing reports whether another attempt may succeed.
func passing(err error) bool {
	var away *rest.Unreachable
	var refusal *apiError
	if errors.As(err, &away) {
		return true
	}
	return errors.As(err, &refusal) && (refusal.Status >= 500 || refusal.Status == http.StatusTooManyRequests)
}

// unsure reports whether a failed call may have been carried out.
func unsure(err error) bool {
	var away *rest.Unreachable
	var refusal *apiError
	return errors.As(err, &away) || errors.As(err, &refusal) && refusal.Status >= 500 && !refusedWith(err, "QUERY_LIMIT_EXCEEDED")
}

// noAnswer reports whether a call got no answer of the portal, or only that it does not work now.
func noAnswer(err error) bool { return unsure(err) && !refusedWith(err, "OPERATION_TIME_LIMIT") }

// explain adds to an error what a person can do about it.
func explain(err error) error {
	switch {
	case refusedWith(err, "WRONG_AUTH_TYPE"):
		return fmt.Errorf("%w; events need the credentials of an installed application, not those of an inbound webhook", err)
	case refusedWith(err, "ACCESS_DENIED"):
		return fmt.Errorf("%w; install the application as an administrator of the portal, on a plan with REST", err)
	case refusedWith(err, "ERROR_EVENT_NOT_FOUND"):
		return fmt.Errorf("%w; the portal does not know that event, or the application lacks the permission crm", err)
	case refusedWith(err, "insufficient_scope"):
		return fmt.Errorf("%w; give the application the permission crm", err)
	}
	return err
}

// readAnswer reads {"result":…} or {"error":…,"error_description":…}, and masks secrets in the latter.
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
	refusal := &apiError{Status: status, Description: "the answer is not of the documented shape"}
	if broken == nil && answer.Error != nil {
		refusal.Code, refusal.Description = shown(answer.Error, secrets), shown(answer.Description, secrets)
	}
	return nil, refusal
}

// tokenLike matches what may be a token: no word is that long and has a digit in it.
var tokenLike = regexp.MustCompile(`[A-Za-z0-9+/=~-]{12,}[0-9][A-Za-z0-9+/=~-]*|[A-Za-z0-9+/=~-]*[0-9][A-Za-z0-9+/=~-]{12,}`)

// shown returns a text of Bitrix24 without secrets.
func shown(value any, secrets []string) string {
	if value == nil {
		return ""
	}
	return rest.Clean(fmt.Sprint(value), secrets, tokenLike)
}
