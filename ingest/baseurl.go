package ingest

import (
	"errors"
	"net/url"
	"strings"
)

// BaseURL is the URL of a server: a scheme, a host and perhaps a path, without a slash at the end.
type BaseURL string

// Decode reads the URL from an environment variable.
func (b *BaseURL) Decode(value string) error {
	u, err := url.Parse(strings.TrimSpace(value))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be a URL such as https://api.example.com, without a user, a query or a fragment")
	}
	*b = BaseURL(strings.TrimRight(u.String(), "/"))
	return nil
}
