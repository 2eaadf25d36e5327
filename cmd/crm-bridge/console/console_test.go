package console_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

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
