package client

import "net/http"

// HTTP returns a client for requests to a bridge, over transport (nil: the default one). It does not follow redirects, which would take
// the secrets in headers and bodies elsewhere.
func HTTP(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
