package zoho

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// reportedError is an error as the API reports it.
type reportedError struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Status  string          `json:"status"`
	Details json.RawMessage `json:"details"`
}

// apiError is what the API answered instead of doing what was asked.
type apiError struct {
	HTTP    int    // the answer's status, which decides nothing: Zoho answers some errors with 202
	Code    string // such as INVALID_DATA; empty where Zoho gave none
	Field   string // the parameter or the field that is wrong, where Zoho said
	Message string
}

func (e *apiError) Error() string {
	text := e.Code
	if text == "" {
		text = "no error code"
	}
	if e.Field != "" {
		text += " (" + e.Field + ")"
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return fmt.Sprintf("answered %d %s%s", e.HTTP, text, advice[e.Code])
}

// scopeMismatch is the code of a call for which the refresh token lacks a scope.
const scopeMismatch = "OAUTH_SCOPE_MISMATCH"

// advice says what a person can do about a code.
var advice = map[string]string{
	scopeMismatch:    "; make the refresh token with the scopes ZohoCRM.notifications.ALL, ZohoCRM.modules.{module}.READ and ZohoCRM.settings.fields.READ",
	"INVALID_TOKEN":  "; check that the data centre is the account's own, and that the refresh token was not revoked",
	"NO_PERMISSION":  "; the user who granted the refresh token may not do this",
	"INVALID_MODULE": "; use the module's API name",
}

// maxAnswer bounds the body of an answer.
const maxAnswer = 16 << 20

// answer is what the API said.
type answer struct {
	rest.Answer
	secrets []string // of the request; no error may show them
}

// send sends a request. A redirect is an error.
func send(sender rest.Sender, request *http.Request) (rest.Answer, error) {
	got, err := sender.Do(request)
	if err == nil && 300 <= got.Status && got.Status < 400 && got.Status != http.StatusNotModified {
		err = fmt.Errorf("answered with a redirect (%d), which is not followed: check the host", got.Status)
	}
	return got, err
}

// refusal converts a problem in the answer to an error, with the answer's secrets, and more, masked.
func (a answer) refusal(p reportedError, more ...string) *apiError {
	var details struct {
		APIName   string `json:"api_name"`
		ParamName string `json:"param_name"`
		Param     string `json:"param"`
	}
	_ = json.Unmarshal(p.Details, &details)
	e := &apiError{HTTP: a.Status, Code: p.Code, Field: cmp.Or(details.APIName, details.ParamName, details.Param), Message: p.Message}
	secrets := append(slices.Clone(a.secrets), more...)
	e.Code, e.Field, e.Message = rest.Clean(e.Code, secrets), rest.Clean(e.Field, secrets), rest.Clean(e.Message, secrets)
	return e
}

// err converts an answer that is not a success to an error; more is masked in it too.
func (a answer) err(more ...string) *apiError {
	var p reportedError
	_ = json.Unmarshal(a.Body, &p)
	return a.refusal(p, more...)
}

// code returns the error code at the root of an answer.
func (a answer) code() string {
	var p reportedError
	_ = json.Unmarshal(a.Body, &p)
	return p.Code
}

// plain returns a JSON string, or a number with all its digits; empty for null.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}
