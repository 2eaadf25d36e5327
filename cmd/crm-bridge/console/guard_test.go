package console_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

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

// A page of another name that leads to the console's address cannot read it.
func TestHost(t *testing.T) {
	b := open(t, new([]string))
	for host, want := range map[string]int{
		"localhost:9090": 200, "127.0.0.1": 200, "192.0.2.2:9090": 200, "[2001:db8:0::2]:9090": 200, "[::1]:9090": 200, "CRM.example.com": 200, "crm.example.com:9090": 200,
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

// body counts the bytes that are read of it.
type body struct {
	io.Reader
	read int
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

// upload returns a form with a file, which is neither in memory nor in a file as long as nobody reads it.
func upload(t *testing.T) (contentType string, all *body) {
	t.Helper()
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	for name, value := range map[string]string{"to": "/console/things", "token": token, "confirmed": "yes"} {
		if err := form.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := form.CreateFormFile("file", "large"); err != nil {
		t.Fatal(err)
	}
	return form.FormDataContentType(), &body{Reader: io.MultiReader(&head, io.LimitReader(zeros{}, 64<<20))}
}

// zeros are bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A stranger has no body kept: that of a form with files is not read at all, and any other only as far as a token may be long.
func TestStrangersBodiesAreNotKept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	b := open(t, new([]string))
	handler := b.c.Handler()
	for _, request := range []struct {
		method, path string
		form         bool // URL-encoded
		status, most int
	}{
		{http.MethodGet, "/console/sign-in", false, 200, 0},
		{http.MethodGet, "/console/sign-in?to=/console/things", false, 200, 0},
		{http.MethodGet, "/", false, 303, 0},
		{http.MethodGet, "/console/things", true, 303, 0},
		{http.MethodPost, "/console/sign-in", false, 401, 0},
		{http.MethodPost, "/console/sign-in", true, 400, 65 << 10},
		{http.MethodPost, "/console/things/drop", true, 401, 0},
		{http.MethodPut, "/console/things", true, 401, 0},
		{http.MethodPost, "/console/none", false, 401, 0},
	} {
		contentType, all := upload(t)
		if request.form {
			contentType = "application/x-www-form-urlencoded"
		}
		r := httptest.NewRequestWithContext(t.Context(), request.method, "http://localhost"+request.path, all)
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != request.status || all.read > request.most {
			t.Errorf("%s %s, URL-encoded %v: %d, read %d bytes", request.method, request.path, request.form, w.Code, all.read)
		}
	}
	if files, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(files) > 0 {
		t.Errorf("%d files are left: %v", len(files), err)
	}
}

// A form that only a page of another site sends is not read either, and neither is one under a name that is not the bridge's.
func TestForeignBodiesAreNotRead(t *testing.T) {
	b := open(t, new([]string))
	handler := b.c.Handler()
	for host, want := range map[string]int{"evil.example": http.StatusMisdirectedRequest, "localhost": http.StatusForbidden} {
		all := &body{Reader: strings.NewReader(url.Values{"token": {token}}.Encode())}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host+"/console/sign-in", all)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://other.example")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want || all.read > 0 {
			t.Errorf("%s: %d, read %d bytes", host, w.Code, all.read)
		}
	}
}

// Assets are served by their names alone, and kept by browsers under the URL that names their content.
func TestAssets(t *testing.T) {
	b := open(t, new([]string))
	for path, want := range map[string]int{
		"/console/assets/icon.svg": 200, "/console/assets/..%2ftemplates%2flayout.html": 404, "/console/assets/..%2Fassets%2Ficon.svg": 404, "/console/assets/none.js": 404,
	} {
		if code, page := b.get(path); code != want {
			t.Errorf("%s: %d %s", path, code, page)
		}
	}
	kept := func(path string) bool {
		w := httptest.NewRecorder()
		b.c.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil))
		return strings.Contains(w.Header().Get("Cache-Control"), "immutable")
	}
	b.signIn()
	_, page := b.get("/")
	assets := regexp.MustCompile(`"(/console/assets/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(assets) != 4 {
		t.Errorf("the page has the assets %q", assets)
	}
	for _, one := range assets {
		if !kept(one[1]) {
			t.Errorf("%s is not kept", one[1])
		}
	}
	if kept("/console/assets/icon.svg") || kept("/console/assets/console.js?v=0123456789ab") {
		t.Error("a URL that does not name the content is kept for a year")
	}
}
