package console_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

const token = "the-token-of-the-data-folder"

// browser asks a console as a browser does.
type browser struct {
	t    *testing.T
	c    *console.Console
	base string
	http *http.Client
}

// open serves a console with one page beside the overview, whose action is recorded in made.
func open(t *testing.T, made *[]string) browser {
	t.Helper()
	c := &console.Console{Token: token, Hosts: []string{"crm.example.com"}, Log: slog.New(slog.DiscardHandler), Pages: []console.Page{
		console.Overview(func(context.Context) status.Report {
			return status.Report{Ready: true, Durability: "fsynced", Problems: []status.Problem{{What: "<script>alert(1)</script>"}}}
		}),
		{
			Path: "things", Title: "Things", Template: "overview",
			View: func(*http.Request) (any, error) { return nil, errors.New("nothing can be read") },
			Actions: map[string]console.Action{"drop": {
				Label: "Drop it",
				Ask: func(_ context.Context, form url.Values) (console.Question, error) {
					return console.Question{Text: "Drop " + form.Get("id") + "?", Permanent: true}, nil
				},
				Do: func(_ context.Context, form url.Values) (string, string, error) {
					*made = append(*made, form.Encode())
					return "It is dropped.", "/", nil
				},
			}},
			Streams: map[string]func(*http.Request, func(string, any) error) error{
				"live": func(r *http.Request, _ func(string, any) error) error { <-r.Context().Done(); return nil },
			},
		},
	}}
	server := httptest.NewServer(c.Handler())
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return browser{t, c, server.URL, &http.Client{Jar: jar}}
}

// ask sends a request and returns its status and body.
func (b browser) ask(r *http.Request) (int, string) {
	b.t.Helper()
	answer, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func (b browser) get(path string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.ask(r)
}

func (b browser) posting(path string, form url.Values) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

var csrfOf = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// signIn signs in by a link, and returns the token of forms.
func (b browser) signIn() string {
	b.t.Helper()
	code, page := b.get(b.c.Link())
	found := csrfOf.FindStringSubmatch(page)
	if code != http.StatusOK || found == nil {
		b.t.Fatalf("signed in by a link: %d %s", code, page)
	}
	return found[1]
}

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

// Tokens cannot be tried without end.
func TestAttemptsAreLimited(t *testing.T) {
	b := open(t, new([]string))
	var last int
	for range 11 {
		last, _ = b.ask(b.posting("/console/sign-in", url.Values{"token": {"another"}}))
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the eleventh attempt: %d", last)
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

// A change needs the session's token, a page of the console, and a yes.
func TestChange(t *testing.T) {
	var made []string
	b := open(t, &made)
	csrf := b.signIn()
	refused := map[string]*http.Request{
		"without a token":      b.posting("/console/things/drop", url.Values{"id": {"7"}, "confirmed": {"yes"}}),
		"with another token":   b.posting("/console/things/drop", url.Values{"id": {"7"}, "confirmed": {"yes"}, "csrf": {"x"}}),
		"of another site":      b.posting("/console/things/drop", url.Values{"id": {"7"}, "confirmed": {"yes"}, "csrf": {csrf}}),
		"of another origin":    b.posting("/console/things/drop", url.Values{"id": {"7"}, "confirmed": {"yes"}, "csrf": {csrf}}),
		"with the token in it": b.posting("/console/things/drop?csrf="+csrf, url.Values{"id": {"7"}, "confirmed": {"yes"}}),
	}
	refused["of another site"].Header.Set("Sec-Fetch-Site", "cross-site")
	refused["of another origin"].Header.Set("Origin", "http://evil.example")
	for how, request := range refused {
		if code, _ := b.ask(request); code != http.StatusForbidden {
			t.Errorf("%s: %d", how, code)
		}
	}
	code, page := b.ask(b.posting("/console/things/drop", url.Values{"id": {"<7>"}, "csrf": {csrf}}))
	if code != http.StatusOK || !strings.Contains(page, "Drop &lt;7&gt;?") || !strings.Contains(page, "cannot be undone") || len(made) > 0 {
		t.Errorf("asked: %d %q %s", code, made, page)
	}
	code, page = b.ask(b.posting("/console/things/drop", url.Values{"id": {"<7>"}, "csrf": {csrf}, "confirmed": {"yes"}}))
	if code != http.StatusOK || !strings.Contains(page, "It is dropped.") || strings.Join(made, " ") != "id=%3C7%3E" {
		t.Errorf("confirmed: %d %q %s", code, made, page)
	}
	if _, page := b.get("/"); strings.Contains(page, "It is dropped.") {
		t.Error("what was told is told again")
	}
}

// Every answer is protected, what it shows is escaped, and a page that fails says why.
func TestAnswersAreProtected(t *testing.T) {
	b := open(t, new([]string))
	b.signIn()
	if _, page := b.get("/"); strings.Contains(page, "<script>alert") || !strings.Contains(page, "&lt;script&gt;alert") {
		t.Error("a problem's text is not escaped")
	}
	if code, page := b.get("/console/things"); code != http.StatusBadGateway || !strings.Contains(page, "Nothing can be read.") {
		t.Errorf("a page that fails: %d %s", code, page)
	}
	for _, path := range []string{"/", "/console/sign-in", "/console/assets/console.js", "/console/none"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := b.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		policy := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, answer.Header)
		}
	}
	for name, cookie := range cookies(t, b) {
		if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || !strings.HasPrefix(name, "crm_bridge_console_") {
			t.Errorf("%v", cookie)
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

// A page of another name that leads to the console's address cannot read it.
func TestHost(t *testing.T) {
	b := open(t, new([]string))
	for host, want := range map[string]int{
		"localhost:9090": 200, "127.0.0.1": 200, "[::1]:9090": 200, "CRM.example.com": 200, "crm.example.com:9090": 200,
		"evil.example": 421, "localhost.evil.example:9090": 421, "10.0.0.7:9090": 421, "": 421,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/sign-in", nil)
		r.Host = host
		w := httptest.NewRecorder()
		b.c.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
}

// What is sent to open pages ends with the console, and only so many pages are sent anything.
func TestStreamsEnd(t *testing.T) {
	b := open(t, new([]string))
	b.signIn()
	var open []io.Closer
	for i := range 9 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+"/console/things/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := b.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 200, false: 503}[i < 8]; answer.StatusCode != want {
			t.Errorf("page %d: %d", i, answer.StatusCode)
		}
		open = append(open, answer.Body)
		if i == 8 {
			b.c.End()
			_, _ = io.Copy(io.Discard, answer.Body)
		}
	}
	for _, one := range open {
		if _, err := io.Copy(io.Discard, one.(io.Reader)); err != nil {
			t.Error(err)
		}
		_ = one.Close()
	}
}
