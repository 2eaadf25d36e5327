package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// No error of a request shows its URL, no redirect is followed, and no answer is read without end.
func TestSender(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 2049))
		case "/broken":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "x")
		case "/hang":
			<-r.Context().Done()
		case "/elsewhere":
			t.Error("a redirect was followed")
		}
	}))
	defer server.Close()
	do := func(address string) (Answer, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		return Sender{Timeout: 100 * time.Millisecond, MaxAnswer: 2048}.Do(request)
	}
	if answer, err := do(server.URL + "/redirect"); err != nil || answer.Status != http.StatusFound {
		t.Errorf("%+v, %v", answer, err)
	}
	for path, unreachable := range map[string]bool{"/long": false, "/broken": true, "/hang": true} {
		_, err := do(server.URL + path + "?secret=s3cret")
		var away *Unreachable
		if err == nil || errors.As(err, &away) != unreachable || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", path, err)
		}
	}
	address := server.URL
	server.Close()
	if _, err := do(address + "/?secret=s3cret"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a server that is down: %v", err)
	}
}

// A server that sends the request back, in place of an answer or as the address of a redirect, brings no secret into an error.
func TestSenderOfEchoes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			w.Header().Set("Location", "http://[::1"+r.URL.String())
			w.WriteHeader(http.StatusFound)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = fmt.Fprintf(conn, "%s %s\r\n\r\n", r.Header.Get("Authorization")+r.Header.Get("X-Api-Token"), r.URL)
		_ = conn.Close()
	}))
	defer server.Close()
	for _, path := range []string{"/redirect", "/echo"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path+"?client_secret=s3cret-id&n=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer s3cret-token")
		request.Header.Set("X-Api-Token", "s3cret-api-token")
		_, err = Sender{MaxAnswer: 2048}.Do(request)
		var away *Unreachable
		if !errors.As(err, &away) || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "***") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"is s3cret+1 or s3cret%2B1":         "is *** or ***",
		"two\nlines\x00 and\ttabs":          "two lines and tabs",
		strings.Repeat("x", 299) + "\u00e9": strings.Repeat("x", 299) + "…",
	} {
		if got := Clean(text, []string{"s3cret+1", ""}); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
