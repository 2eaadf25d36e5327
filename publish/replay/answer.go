package replay

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
)

// refusal is an answer that another attempt would not change.
type refusal struct{ status string }

// Error says what was answered.
func (r refusal) Error() string { return "the endpoint answered " + r.status }

// status is an answer without the words of the endpoint, which may repeat what it was sent.
func status(code int) string {
	text := strconv.Itoa(code) + " " + http.StatusText(code)
	if code >= 300 && code < 400 {
		text += ", and redirects are not followed"
	}
	return text
}

// withoutURL takes the URL, and the secrets in it, out of an error of the HTTP client.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
