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
	c := &console.Console{Token: token, Hosts: []string{"crm.example.com", "192.0.2.2", "2001:db8::2"}, Log: slog.New(slog.DiscardHandler), Pages: []console.Page{
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
