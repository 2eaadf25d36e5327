package console_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
)

// Nobody sees a page before they have signed in; the token and a link let them in, a link once.
func TestSignIn(t *testing.T) {
	b := open(t, new([]string))
	for _, path := range []string{"/", "/console/things", "/console/none"} {
		if code, page := b.get(path); code != http.StatusOK || !strings.Contains(page, "<h1>Sign in</h1>") {
			t.Errorf("%s: %d %s", path, code, page)
		}
	}
	if code, _ := b.ask(b.posting("/console/sign-in", url.Values{"token": {"another"}})); code != http.StatusUnauthorized {
		t.Errorf("a wrong token: %d", code)
	}
	if code, _ := b.ask(b.posting("/console/sign-in", url.Values{"token": {token}})); code != http.StatusOK {
		t.Errorf("the token: %d", code)
	}
	_, page := b.get("/")
	if !strings.Contains(page, "<h1>Overview</h1>") {
		t.Errorf("signed in: %s", page)
	}
	csrf := csrfOf.FindStringSubmatch(page)[1]
	if code, page := b.ask(b.posting("/console/sign-out", url.Values{"csrf": {csrf}})); code != http.StatusOK || !strings.Contains(page, "Sign in") {
		t.Errorf("signed out: %d", code)
	}
	if _, page := b.get("/"); !strings.Contains(page, "<h1>Sign in</h1>") {
		t.Error("the session goes on after its end")
	}
	link := b.c.Link()
	if code, page := b.get(link); code != http.StatusOK || !strings.Contains(page, "<h1>Overview</h1>") {
		t.Errorf("a link: %d", code)
	}
	if code, _ := open(t, new([]string)).get(link); code != http.StatusUnauthorized {
		t.Errorf("a link of another console: %d", code)
	}
	if code, _ := b.get(link); code != http.StatusUnauthorized {
		t.Errorf("the same link again: %d", code)
	}
}

// Tokens cannot be tried without end; who has failed too often locks out nobody else, and what succeeds does not count.
func TestAttemptsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &console.Console{Token: token, Log: slog.New(slog.DiscardHandler)}
		handler := c.Handler()
		tries := func(from, with string) int {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost:9090/console/sign-in", strings.NewReader(url.Values{"token": {with}}.Encode()))
			r.RemoteAddr = from
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w.Code
		}
		expect := func(from, with string, want int) {
			t.Helper()
			if code := tries(from, with); code != want {
				t.Errorf("%s with %q: %d, not %d", from, with, code, want)
			}
		}
		for range 20 {
			expect("10.0.0.9:100", token, http.StatusSeeOther)
		}
		for n := range 10 {
			expect(fmt.Sprintf("[2001:db8::%d]:100", n), "another", http.StatusUnauthorized)
		}
		expect("[2001:db8::ffff]:7", "another", http.StatusTooManyRequests)
		expect("[2001:db8::ffff]:7", token, http.StatusTooManyRequests)
		expect("[::ffff:10.0.0.9]:7", token, http.StatusSeeOther)
		time.Sleep(6 * time.Second)
		expect("[2001:db8::ffff]:7", token, http.StatusSeeOther)

		for n := range 3000 {
			tries(fmt.Sprintf("10.1.%d.%d:1", n/250, n%250), "another")
		}
		expect("10.0.0.9:100", token, http.StatusTooManyRequests) // a flood of addresses is bounded, too
		time.Sleep(time.Second)
		expect("10.0.0.9:100", token, http.StatusSeeOther)
	})
}

// A program that looks at a link with HEAD, such as a chat, does not use it up.
func TestHeadUsesNoLink(t *testing.T) {
	c, handler := quiet()
	link := c.Link()
	head := httptest.NewRecorder()
	handler.ServeHTTP(head, httptest.NewRequestWithContext(t.Context(), http.MethodHead, "http://localhost:9090"+link, nil))
	if head.Code != http.StatusOK || len(head.Result().Cookies()) > 0 {
		t.Errorf("HEAD: %d, cookies %v", head.Code, head.Result().Cookies())
	}
	if code := (&visitor{handler: handler}).visit(link); code != http.StatusSeeOther {
		t.Errorf("GET after HEAD: %d", code)
	}
}

// After a sign-in the browser goes to a page of the console alone.
func TestBack(t *testing.T) {
	b := open(t, new([]string))
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for to, want := range map[string]string{
		"": "/", "/console/things?a=b": "/console/things?a=b", "https://evil.example/console/": "/", "//evil.example/console/": "/",
		`/console/\evil.example`: "/", "/metrics": "/", "/console/sign-in?to=/": "/",
	} {
		answer, err := b.http.Do(b.posting("/console/sign-in", url.Values{"token": {token}, "to": {to}}))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if at := answer.Header.Get("Location"); at != want {
			t.Errorf("%q leads to %q", to, at)
		}
	}
}

// cookies returns those that a sign-in sets.
func cookies(t *testing.T, b browser) map[string]*http.Cookie {
	t.Helper()
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := b.http.Do(b.posting("/console/sign-in", url.Values{"token": {token}}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	all := map[string]*http.Cookie{}
	for _, cookie := range answer.Cookies() {
		all[cookie.Name] = cookie
	}
	if len(all) != 1 {
		t.Fatalf("%d cookies", len(all))
	}
	return all
}
