package bridge

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
)

// operator uses the console of a running bridge over HTTP.
type operator struct {
	t    *testing.T
	base string
	http *http.Client
	csrf string
}

// signsIn returns an operator who has signed in by a one-time link.
func signsIn(t *testing.T, b *Bridge) *operator {
	t.Helper()
	token, err := b.data.Secret(datadir.AdminSecret)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &operator{t: t, base: "http://" + Reachable(b.Admin), http: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.base+"/console/link", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(AdminHeader, token)
	var link struct{ URL string }
	if err := json.Unmarshal([]byte(o.ask(r, http.StatusOK)), &link); err != nil {
		t.Fatal(err)
	}
	page := o.get(strings.TrimPrefix(link.URL, o.base))
	o.csrf = regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(page)[1]
	return o
}

// ask sends a request and returns the body of the answer, which must have a status.
func (o *operator) ask(r *http.Request, status int) string {
	o.t.Helper()
	answer, err := o.http.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		o.t.Fatalf("%s %s: %s %v\n%s", r.Method, r.URL, answer.Status, err, body)
	}
	return string(body)
}

// get returns a page.
func (o *operator) get(path string) string {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.base+path, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return o.ask(r, http.StatusOK)
}

// shows checks that a page shows texts, as HTML, once the report that pages share is made again, and returns it.
func (o *operator) shows(path string, texts ...string) string {
	o.t.Helper()
	page := o.get(path)
	lacks := func(text string) bool { return !strings.Contains(page, text) }
	for end := time.Now().Add(2 * sharedFor); slices.ContainsFunc(texts, lacks) && time.Now().Before(end); page = o.get(path) {
		time.Sleep(50 * time.Millisecond)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			o.t.Errorf("%s does not show %q:\n%s", path, text, main(page))
		}
	}
	return page
}

// main is what a page shows beside the menu.
func main(page string) string {
	_, page, _ = strings.Cut(page, "<main")
	page, _, _ = strings.Cut(page, "</main>")
	return page
}

// post posts a form, and returns the page that the operator then sees.
func (o *operator) post(path string, form url.Values) string {
	o.t.Helper()
	form.Set("csrf", o.csrf)
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, o.base+path, bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return o.ask(r, http.StatusOK)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// asks posts a form, checks that the console asks a question, and returns the form of a yes.
func (o *operator) asks(path string, form url.Values, asked string) (yes url.Values) {
	o.t.Helper()
	page := o.post(path, form)
	if !strings.Contains(page, html.EscapeString(asked)) {
		o.t.Fatalf("%s does not ask %q:\n%s", path, asked, main(page))
	}
	yes = url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(main(page), -1) {
		yes.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	return yes
}

// does makes a change: it checks that the console asks a question, says yes with what the form of that page holds, and checks what it
// then says was done.
func (o *operator) does(path string, form url.Values, asked, done string) {
	o.t.Helper()
	if page := o.post(path, o.asks(path, form, asked)); !strings.Contains(page, html.EscapeString(done)) {
		o.t.Fatalf("%s does not say %q:\n%s", path, done, main(page))
	}
}
