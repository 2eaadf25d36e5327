package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// cookies returns the cookies of the window.
func (w *window) cookies() []*network.Cookie {
	w.t.Helper()
	return get(w, func(ctx context.Context, t *chromedp.Target) ([]*network.Cookie, error) {
		result, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{w.origin}})
		return result.Cookies, err
	})
}

// The session is in a cookie that no script reads and no page of another site sends, and in nothing else that a browser keeps.
func TestSessionCookie(t *testing.T) {
	t.Parallel()
	w := signedIn(t, shared.bridge, desk)
	all := w.cookies()
	if len(all) != 1 {
		t.Fatalf("%d cookies", len(all))
	}
	if c := all[0]; !c.HTTPOnly || c.SameSite != network.CookieSameSiteStrict || c.Path != "/" || !c.Session || c.Domain != "127.0.0.1" || len(c.Value) < 40 {
		t.Errorf("the cookie is %+v", c)
	}
	if kept := script[string](w, `document.cookie + Object.keys(localStorage) + Object.keys(sessionStorage) + location.href`); kept != shared.Admin+"/" {
		t.Errorf("a script reads %q", kept)
	}
}

// A link signs in once, and its secret is gone from the address.
func TestLinkOnce(t *testing.T) {
	t.Parallel()
	link := shared.link(t)
	w := open(t, shared.Admin, desk)
	if w.visit(link); script[string](w, "location.href") != shared.Admin+"/" {
		t.Errorf("the link led to %s", script[string](w, "location.href"))
	}
	second := open(t, shared.Admin, desk)
	if status := second.visit(link); status != 401 || second.path() != "/console/sign-in" || !strings.Contains(second.text(), "status --open") {
		t.Errorf("the link, used again, was answered with %d: %s", status, second.text())
	}
	if len(second.cookies()) != 0 {
		t.Error("a used link began a session")
	}
}

// A link into the console leads there after signing in, and never out of it.
func TestBackAfterSignIn(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"/console/sign-in": "/", "//127.0.0.2/": "/", "https://evil.test/": "/", `/\evil.test/`: "/", "/console/there?a=1": "/console/there", "": "/",
	} {
		w := open(t, shared.Admin, desk)
		w.visit(shared.link(t) + "&" + url.Values{"to": {to}}.Encode())
		if at := script[string](w, "location.href"); !strings.HasPrefix(at, shared.Admin+want) || want == "/" && at != shared.Admin+"/" {
			t.Errorf("to=%s led to %s", to, at)
		}
	}
}

// After signing out the session is over on the bridge, and the button that goes back shows nothing of it.
func TestSignedOut(t *testing.T) {
	t.Parallel()
	w := signedIn(t, shared.bridge, desk)
	stolen := w.cookies()[0]
	w.visit("/")
	w.clickAt("nav form button")
	w.until(`location.pathname === "/console/sign-in"`)
	if len(w.cookies()) != 0 {
		t.Error("the browser still has the cookie")
	}
	w.do(chromedp.NavigateBack())
	w.until(`location.pathname === "/console/sign-in"`)
	if status, _ := ask(t, http.MethodGet, shared.Admin+"/", nil, "Cookie", stolen.Name+"="+stolen.Value); status != http.StatusSeeOther {
		t.Errorf("the old cookie was answered with %d", status)
	}
}

// ask sends a request as a program would, and returns the status and the body; redirects are not followed.
func ask(t *testing.T, method, address string, form url.Values, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			request.Host = header[i+1]
		}
		request.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// forms are all forms of a page that change something: where they post to, and what.
const forms = `[...document.querySelectorAll("form[method=post]")].map(f => ({action: new URL(f.action).pathname, fields: Object.fromEntries(new FormData(f))}))`

// Every form of every page carries the token of its session; without it, with that of another session, or without a session, nothing
// is changed.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	w, other := signedIn(t, shared.bridge, desk), signedIn(t, shared.bridge, desk)
	foreign := script[string](other, `document.querySelector("[name=csrf]").value`)
	cookie := w.cookies()[0].Name + "=" + w.cookies()[0].Value
	tried := map[string]bool{}
	for _, path := range w.crawl() {
		w.visit(path)
		for _, form := range script[[]struct {
			Action string
			Fields map[string]string
		}](w, forms) {
			if tried[form.Action] {
				continue
			}
			tried[form.Action] = true
			if form.Fields["csrf"] == "" {
				t.Errorf("%s: the form for %s has no token", path, form.Action)
			}
			for _, attempt := range []struct {
				what, token string
				header      []string
				want        int
			}{
				{"without a token", "", []string{"Cookie", cookie}, 403},
				{"with the token of another session", foreign, []string{"Cookie", cookie}, 403},
				{"without a session", form.Fields["csrf"], nil, 401},
				{"from another site", form.Fields["csrf"], []string{"Cookie", cookie, "Origin", "http://evil.test"}, 403},
				{"from another port", form.Fields["csrf"], []string{"Cookie", cookie, "Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site"}, 403},
			} {
				fields := url.Values{"confirmed": {"yes"}}
				for name, value := range form.Fields {
					fields.Set(name, value)
				}
				fields.Set("csrf", attempt.token)
				if status, text := ask(t, http.MethodPost, shared.Admin+form.Action, fields, attempt.header...); status != attempt.want {
					t.Errorf("%s %s was answered with %d: %.200s", form.Action, attempt.what, status, text)
				}
			}
		}
	}
	if !tried["/console/sign-out"] {
		t.Errorf("tried %v", tried)
	}
}

// A page of another site, opened by somebody who has signed in, neither changes nor reads nor frames the console: from another port of
// the same host, where the browser sends the cookie, and from another host.
func TestOtherSite(t *testing.T) {
	t.Parallel()
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!doctype html><title>evil</title><form method="post" action="%[1]s/console/sign-out"><input name="confirmed" value="yes"><button>win</button></form><iframe src="%[1]s/"></iframe>`, shared.Admin)
	}))
	defer evil.Close()
	port := evil.URL[strings.LastIndex(evil.URL, ":"):]
	for _, site := range []string{evil.URL, "http://evil.test" + port} {
		w := signedIn(t, shared.bridge, desk)
		for _, known := range []string{"a request to", "frame", "Frame", "CORS", "Failed to load resource", "Content Security Policy", "Unsafe attempt"} {
			w.expect(known)
		}
		w.do(chromedp.Navigate(site))
		read := get(w, chromedp.Evaluate[string](fmt.Sprintf(`fetch(%q, {credentials: "include"}).then(r => r.text()).catch(e => "not read")`, shared.Admin+"/"), chromedp.EvalAwaitPromise))
		if read != "not read" {
			t.Errorf("%s reads %.200s", site, read)
		}
		if framed := script[bool](w, `(() => { try { return frames[0].document.body.innerText.includes("Overview") } catch { return frames[0].length > 0 } })()`); framed {
			t.Errorf("%s frames the console", site)
		}
		w.clickAt("button")
		w.until(`location.pathname === "/console/sign-out"`)
		if text := w.text(); !strings.Contains(text, "another site") && !strings.Contains(text, "session") {
			t.Errorf("%s: signing out was answered with %s", site, text)
		}
		if w.visit("/"); w.path() != "/" {
			t.Errorf("%s ended the session", site)
		}
	}
}

// A name that leads to the bridge's address, but is not its own, is refused (DNS rebinding), whatever is asked under it.
func TestRebinding(t *testing.T) {
	t.Parallel()
	port := shared.Admin[strings.LastIndex(shared.Admin, ":"):]
	w := open(t, "http://evil.test"+port, desk)
	w.expect("421")
	for _, path := range []string{"/", "/console/sign-in", shared.link(t)} {
		if status := w.visit(path); status != http.StatusMisdirectedRequest || strings.Contains(script[string](w, "document.documentElement.outerHTML"), "<form") {
			t.Errorf("%s was answered with %d: %s", path, status, w.text())
		}
	}
	if len(w.cookies()) != 0 {
		t.Error("a session began under another name")
	}
	for _, host := range []string{"evil.test", "127.0.0.1.evil.test", "localhost.evil.test", "127.0.0.1@evil.test", "", "0.0.0.0", "[::ffff:8.8.8.8]"} {
		if host == "" {
			continue // Go's client would send another
		}
		if status, text := ask(t, http.MethodPost, shared.Admin+"/console/sign-in", url.Values{"token": {shared.adminToken(t)}}, "Host", host); status != 421 && status != 400 {
			t.Errorf("host %q was answered with %d %.100s", host, status, text)
		}
	}
}
