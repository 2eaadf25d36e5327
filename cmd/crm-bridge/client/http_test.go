package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A server that answers in the place of the bridge cannot have a callback, with its secret, sent to another.
func TestRedirectsTakeNoSecret(t *testing.T) {
	stranger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a stranger gets %v", r.Header)
	}))
	defer stranger.Close()
	server := httptest.NewServer(http.RedirectHandler(stranger.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("token"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Webhook-Secret", "s3cret")
	response, err := HTTP(nil).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("answered %d", response.StatusCode)
	}
}
