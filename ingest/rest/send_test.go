package rest

import (
	"errors"
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
