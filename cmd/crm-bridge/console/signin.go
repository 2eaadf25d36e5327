package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Link returns the path and query of a one-time link that signs in, for five minutes.
func (c *Console) Link() string {
	return signInPath + "?" + url.Values{linkField: {c.links.make(time.Now())}}.Encode()
}

// signInPage shows the form, or signs in whoever has a link. A HEAD, with which programs look at links that are sent around, uses none up.
func (c *Console) signInPage(w http.ResponseWriter, r *http.Request) {
	to, link := back(r.URL.Query()), r.URL.Query().Get(linkField)
	switch {
	case link == "" || r.Method == http.MethodHead:
		c.askToken(w, r, http.StatusOK, to, "")
	case !c.links.use(link, time.Now()):
		c.askToken(w, r, http.StatusUnauthorized, to, "This link has been used or is older than five minutes. Ask for another with crm-bridge status --open.")
	default:
		c.begin(w, r, to)
	}
}

const (
	// maxTokens bounds how many tokens are read at once: until one is read, nobody knows who sends it.
	maxTokens = 8
	// tokenTime bounds how long a token may take to come.
	tokenTime = 5 * time.Second
)

// signIn signs in whoever has the token of the data folder.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	select {
	case c.tokens <- struct{}{}:
		defer func() { <-c.tokens }()
	default:
		w.Header().Set("Retry-After", "5")
		refuse(w, "Too many sign in at once. Try again in five seconds.", http.StatusServiceUnavailable)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(tokenTime))
	if !readForm(w, r) {
		return
	}
	to, now := back(r.PostForm), time.Now()
	switch from := clientOf(r); {
	case !c.attempts.left(from, now):
		w.Header().Set("Retry-After", "10")
		c.askToken(w, r, http.StatusTooManyRequests, to, "Too many attempts. Wait ten seconds.")
	case c.Token == "" || !ingest.MatchesAny(strings.TrimSpace(r.PostForm.Get("token")), []string{c.Token}):
		c.attempts.fail(from, now)
		c.Log.Warn("somebody tried to sign in to the console with a wrong token", "from", from)
		c.askToken(w, r, http.StatusUnauthorized, to, "This is not the token.")
	default:
		c.begin(w, r, to)
	}
}

func (c *Console) askToken(w http.ResponseWriter, r *http.Request, status int, to, problem string) {
	c.render(w, r, nil, status, view{Title: "Sign in", Template: "sign-in", Problem: problem, Data: struct {
		ByToken bool
		To      string
	}{c.Token != "", to}})
}

// back is where a browser goes after it has signed in: a page of the console, or the first one.
func back(form url.Values) string {
	to := form.Get("to")
	if parsed, err := url.Parse(to); err != nil || parsed.Host != "" || parsed.Scheme != "" || !strings.HasPrefix(parsed.Path, "/console/") || parsed.Path == signInPath || strings.Contains(to, `\`) {
		return "/"
	}
	return to
}

// begin begins a session.
func (c *Console) begin(w http.ResponseWriter, r *http.Request, to string) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // the console is asked over plain HTTP on its own machine
		Name: cookieName(r), Value: c.sessions.begin(time.Now()), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	})
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // back returns paths of the console alone
}

// signOut ends the session.
func (c *Console) signOut(w http.ResponseWriter, r *http.Request, _ *session) {
	if cookie, err := r.Cookie(cookieName(r)); err == nil {
		c.sessions.end(cookie.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // it is empty
	http.Redirect(w, r, signInPath, http.StatusSeeOther)
}
