package console

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// bad has one fault of each kind that the checks look for.
const bad = `<!doctype html><html lang="en"><title>bad</title><main><h1>Bad</h1>
<p style="color:#aaa;background:#fff">pale</p><input><div style="width:600px;background:#fff">wide</div>
<p><form></form></p><p style="width:3rem;overflow:hidden;white-space:nowrap">a long text</p><p><button style="width:9px;height:9px;padding:0" aria-label="a"></button><button style="width:9px;height:9px;padding:0" aria-label="b"></button></p>
<img src="http://127.0.0.2:9/pixel" alt=""><script>console.error("said")</script><script src="/script.js"></script></main>`

// The checks of pages see each kind of fault; a page that has none passes.
func TestChecks(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>good</title><link rel="icon" href="data:,"><main><h1>Good</h1><a href="/good">again</a></main>`))
		case "/bad":
			w.Header().Set("Content-Security-Policy", "script-src 'self'")
			_, _ = w.Write([]byte(bad))
		case "/script.js":
			_, _ = w.Write([]byte(`console.error("said"); throw new Error("thrown")`))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	w := open(t, server.URL, phone)
	if status := w.visit("/good"); status != 200 {
		t.Errorf("status %d", status)
	}
	w.check(t, "a good page")
	w.visit("/bad")
	faults := w.faults()
	for _, want := range []string{
		"pixels wider than the window", `sticks out of the window: <div style="width:600px`, "is clipped: <p style=\"width:3rem", "has an empty paragraph", "target-size", "color-contrast", "axe: label", "a request to http://127.0.0.2:9/pixel",
		"Content Security Policy", "console.error", "thrown", "404",
	} {
		if !mentions(faults, want) {
			t.Errorf("no fault %q in %q", want, faults)
		}
	}
	if status := w.visit("/missing"); status != 404 {
		t.Errorf("status %d", status)
	}
}

// Tab through a page sees what it does not reach, what shows no focus, and what is focused outside the window.
func TestKeyboardChecks(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			_, _ = w.Write([]byte(`<!doctype html><title>good</title><a href="#a">a</a><button>b</button><label><input type="radio" name="r">1</label><label><input type="radio" name="r">2</label>
				<details><summary>more</summary><a href="#c">c</a></details><p style="height:2000px"><p><input>`))
		case "/bad":
			_, _ = w.Write([]byte(`<!doctype html><title>bad</title><style>.plain:focus{outline:none}</style><a href="#a" class="plain">no focus</a>
				<a href="#b" style="position:absolute;left:-9000px">outside</a><button onfocus="this.blur()">never</button><div tabindex="0">last</div>`))
		}
	}))
	defer server.Close()
	w := open(t, server.URL, phone)
	w.visit("/good")
	for _, fault := range w.byKeyboard() {
		t.Errorf("a good page: %s", fault)
	}
	w.visit("/bad")
	faults := w.byKeyboard()
	for _, want := range []string{`no focus</a> has no visible focus`, `outside</a> is focused outside the window`, `Tab does not reach <button`} {
		if !mentions(faults, want) {
			t.Errorf("no fault %q in %q", want, faults)
		}
	}
}
