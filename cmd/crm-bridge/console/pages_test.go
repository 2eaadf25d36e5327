package console_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// reader has signed in to a console with some pages.
type reader struct {
	browser
	csrf string
}

// reads serves a console with pages behind the overview, to somebody who has signed in.
func reads(t *testing.T, pages ...console.Page) reader {
	t.Helper()
	overview := console.Overview(func(context.Context) status.Report { return status.Report{} })
	c := &console.Console{Token: token, Log: slog.New(slog.DiscardHandler), Pages: append([]console.Page{overview}, pages...)}
	server := httptest.NewServer(c.Handler())
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := browser{t, c, server.URL, &http.Client{Jar: jar}}
	return reader{b, b.signIn()}
}

// sees checks what a page shows, and what it does not: texts that begin with "no:". It returns the page.
func (r reader) sees(path string, texts ...string) string {
	r.t.Helper()
	code, page := r.get(path)
	if code != http.StatusOK {
		r.t.Fatalf("%s: %d %s", path, code, page)
	}
	r.has(page, texts...)
	return page
}

func (r reader) has(page string, texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if unwanted, not := strings.CutPrefix(text, "no:"); not == strings.Contains(page, strings.TrimPrefix(text, "no:")) {
			r.t.Errorf("%q, wanted: %t\n%s", unwanted, !not, page)
		}
	}
}

// posts posts a form of the session.
func (r reader) posts(path string, form url.Values) (int, string) {
	r.t.Helper()
	form.Set("csrf", r.csrf)
	return r.ask(r.posting(path, form))
}

// reporting returns a function that reports.
func reporting(report status.Report) func(context.Context) status.Report {
	return func(context.Context) status.Report { return report }
}

// hostile is a text that must never be an element of a page.
const hostile = "<img src=x onerror=alert(1)>"

// moment returns a pointer to a moment that has passed.
func moment(passed time.Duration) *time.Time {
	at := time.Now().Add(-passed)
	return &at
}
