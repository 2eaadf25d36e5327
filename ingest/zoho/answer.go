package zoho

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// problem is an error as the API tells it.
type problem struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Status  string          `json:"status"`
	Details json.RawMessage `json:"details"`
}

// Error is what the API answered instead of doing what was asked.
type Error struct {
	HTTP    int    // the answer's status, which is no verdict: Zoho answers some errors with 202
	Code    string // Zoho's word, such as INVALID_DATA; empty where it gave none
	Field   string // the parameter or the field that is wrong, where Zoho said
	Message string
}

func (e *Error) Error() string {
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
	return fmt.Sprintf("answered %d %s%s", e.HTTP, text, mends[e.Code])
}

// mends say what a person can do.
var mends = map[string]string{
	"OAUTH_SCOPE_MISMATCH": "; make the refresh token with the scopes ZohoCRM.notifications.ALL and ZohoCRM.modules.{module}.READ",
	"INVALID_TOKEN":        "; check that the data centre is the account's own, and that the refresh token was not revoked",
	"NO_PERMISSION":        "; the user who granted the refresh token may not do this",
	"INVALID_MODULE":       "; use the module's API name",
}

// refusal makes an error of a problem in the answer; the answer's secrets, and more, are masked in it.
func (a answer) refusal(p problem, more ...string) *Error {
	var details struct {
		APIName   string `json:"api_name"`
		ParamName string `json:"param_name"`
		Param     string `json:"param"`
	}
	_ = json.Unmarshal(p.Details, &details)
	e := &Error{HTTP: a.status, Code: p.Code, Field: orDefault(orDefault(details.APIName, details.ParamName), details.Param), Message: p.Message}
	secrets := append(slices.Clone(a.secrets), more...)
	e.Code, e.Field, e.Message = clean(e.Code, secrets), clean(e.Field, secrets), clean(e.Message, secrets)
	return e
}

// clean makes text of Zoho's fit to be shown: short, printable, and without our secrets.
func clean(text string, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
			text = strings.ReplaceAll(text, url.QueryEscape(secret), "***")
		}
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return ' '
		}
		return r
	}, text)
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}

// err is what an answer that is no success says; more is masked in it too.
func (a answer) err(more ...string) *Error {
	var p problem
	_ = json.Unmarshal(a.body, &p)
	return a.refusal(p, more...)
}

// code is the code that stands at the root of an answer.
func (a answer) code() string {
	var p problem
	_ = json.Unmarshal(a.body, &p)
	return p.Code
}
