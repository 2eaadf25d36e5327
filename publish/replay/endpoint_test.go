package replay

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Endpoints are distinguished by their path, and have one name whatever their secrets are; no secret is shown.
func TestEndpointsAreMasked(t *testing.T) {
	name := func(text string) (string, string) {
		u, err := ParseEndpoint(text)
		if err != nil {
			t.Fatal(err)
		}
		return ShownEndpoint(u), EndpointName(u)
	}
	shown, of := name("https://user:password@hooks.example.com:8443/services/T000/secret?key=value#x")
	if shown != "https://hooks.example.com:8443/***" || strings.Contains(of, "secret") || strings.Contains(of, "password") {
		t.Errorf("%s %s", shown, of)
	}
	if _, again := name("https://user:other@hooks.example.com:8443/services/T000/secret?key=other"); again != of {
		t.Errorf("a rotated secret makes it %s, not %s", again, of)
	}
	if _, other := name("https://hooks.example.com:8443/services/T001/secret"); other == of {
		t.Error("two paths are one endpoint")
	}
	if shown, _ := name("http://localhost"); shown != "http://localhost" {
		t.Error(shown)
	}
	if err := withoutURL(&url.Error{Op: "Post", URL: "https://secret", Err: context.DeadlineExceeded}); strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	for _, wrong := range []string{"ftp://host/secret", "https://", "http://host:port/secret", "stdin", ":"} {
		if _, err := ParseEndpoint(wrong); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// An endpoint that asks for more time than the replay has, however much, ends it at once.
func TestRetryAfterIsTooLate(t *testing.T) {
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer endpoint.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	to := Endpoint{URL: endpoint.URL, Patience: time.Minute}
	if err := to.Begin(ctx, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := to.post(ctx, nil, nil); ctx.Err() != nil || err == nil || !strings.Contains(err.Error(), "the next attempt would be") {
		t.Error(err)
	}
}
