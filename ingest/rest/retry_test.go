package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Pauses grow up to the longest, are never shorter than the server asks for, and the last error is returned.
func TestRetryPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		err := Retry{Attempts: 6, Longest: 4 * time.Second}.Do(t.Context(), func() (bool, time.Duration, error) {
			at = append(at, time.Since(began))
			after := time.Duration(0)
			if len(at) == 5 {
				after = time.Hour
			}
			return true, after, fmt.Errorf("attempt %d", len(at))
		})
		if err == nil || err.Error() != "attempt 6" || len(at) != 6 {
			t.Fatalf("after %d attempts: %v", len(at), err)
		}
		for n, longest := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
			if pause := at[n+1] - at[n]; pause < longest/2 || pause > longest {
				t.Errorf("pause %d is %s", n+1, pause)
			}
		}
		if pause := at[5] - at[4]; pause != 4*time.Second {
			t.Errorf("a pause that the server asked for is %s", pause)
		}
	})
}

// What is in vain is not attempted again, and no pause is begun that ctx would end.
func TestRetryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong, attempts := errors.New("wrong"), 0
		attempt := func(again bool) func() (bool, time.Duration, error) {
			return func() (bool, time.Duration, error) { attempts++; return again, 10 * time.Second, wrong }
		}
		if err := (Retry{Attempts: 5}).Do(t.Context(), attempt(false)); !errors.Is(err, wrong) || attempts != 1 {
			t.Errorf("%d attempts, %v", attempts, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		began := time.Now()
		attempts = 0
		err := Retry{Attempts: 5}.Do(ctx, attempt(true))
		if !errors.Is(err, wrong) || !errors.Is(err, context.DeadlineExceeded) || attempts != 2 || time.Since(began) != 10*time.Second {
			t.Errorf("%d attempts in %s, %v", attempts, time.Since(began), err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "Mon, 30 Nov 2026 10:00:30 GMT": 30 * time.Second, "Mon, 30 Nov 2026 09:00:00 GMT": 0,
	} {
		header := http.Header{"Retry-After": {value}, "Date": {"Mon, 30 Nov 2026 10:00:00 GMT"}}
		if got := RetryAfter(header); got != want {
			t.Errorf("%q: %s", value, got)
		}
	}
}

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
		_, _ = fmt.Fprintf(conn, "%s %s\r\n\r\n", r.Header.Get("Authorization"), r.URL)
		_ = conn.Close()
	}))
	defer server.Close()
	for _, path := range []string{"/redirect", "/echo"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path+"?client_secret=s3cret-id&n=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer s3cret-token")
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
