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

// signInPath is where the form to sign in is; linkField is the parameter of a link that needs none.
const (
	signInPath = "/console/sign-in"
	linkField  = "link"
)

// signInPage shows the form, or signs in whoever has a link.
func (c *Console) signInPage(w http.ResponseWriter, r *http.Request) {
	link := r.URL.Query().Get(linkField)
	switch {
	case link == "":
		c.askToken(w, r, http.StatusOK, "")
	case !c.links.use(link, time.Now()):
		c.askToken(w, r, http.StatusUnauthorized, "This link has been used or is older than five minutes. Ask for another with crm-bridge status --open.")
	default:
		c.begin(w, r)
	}
}

// signIn signs in whoever has the token of the data folder.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	if !c.attempts.Allow() {
		w.Header().Set("Retry-After", "10")
		c.askToken(w, r, http.StatusTooManyRequests, "Too many attempts. Wait ten seconds.")
		return
	}
	if c.Token == "" || !ingest.MatchesAny(strings.TrimSpace(r.PostForm.Get("token")), []string{c.Token}) {
		c.Log.Warn("somebody tried to sign in to the console with a wrong token")
		c.askToken(w, r, http.StatusUnauthorized, "This is not the token.")
		return
	}
	c.begin(w, r)
}

func (c *Console) askToken(w http.ResponseWriter, r *http.Request, status int, problem string) {
	c.render(w, r, nil, status, view{Title: "Sign in", Template: "sign-in", Problem: problem, Data: struct {
		ByToken bool
		To      string
	}{c.Token != "", back(r)}})
}

// back is where a browser goes after it has signed in: a page of the console, or the first one.
func back(r *http.Request) string {
	to := r.FormValue("to")
	if parsed, err := url.Parse(to); err != nil || parsed.Host != "" || parsed.Scheme != "" || !strings.HasPrefix(parsed.Path, "/console/") || parsed.Path == signInPath || strings.Contains(to, `\`) {
		return "/"
	}
	return to
}

// begin begins a session.
func (c *Console) begin(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // the console is asked over plain HTTP on its own machine
		Name: cookieName(r), Value: c.sessions.begin(time.Now()), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	})
	http.Redirect(w, r, back(r), http.StatusSeeOther) //nolint:gosec // back returns paths of the console alone
}

// signOut ends the session.
func (c *Console) signOut(w http.ResponseWriter, r *http.Request, _ *session) {
	if cookie, err := r.Cookie(cookieName(r)); err == nil {
		c.sessions.end(cookie.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // it is empty
	http.Redirect(w, r, signInPath, http.StatusSeeOther)
}
