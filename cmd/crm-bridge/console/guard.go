package console

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// The fields that the console itself adds to forms.
const (
	csrfField    = "csrf"
	confirmField = "confirmed"
)

// maxForm bounds the bytes of a posted form.
const maxForm = 64 << 10

// contentPolicy lets a page use what the console serves, and nothing else: no script or style within a page, no other host, no frame.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// guarded answers those alone that ask under a name of the bridge's, so that no page of another name that leads to this address can read
// the console (DNS rebinding), and protects every answer.
func (c *Console) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "same-origin") // no-referrer would have browsers send the console's own forms with "Origin: null"
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		if !c.knows(r.Host) {
			refuse(w, "The console is not served under this name. Add it to BRIDGE_ADMIN_HOSTS, or ask under localhost.", http.StatusMisdirectedRequest)
			return
		}
		if isChange(r) && !ownOrigin(r) {
			refuse(w, "This form was sent by a page of another site.", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// refuse answers a request whose body is not read, at once: a connection that stayed open would wait for the rest of it first.
func refuse(w http.ResponseWriter, text string, status int) {
	w.Header().Set("Connection", "close")
	http.Error(w, text, status)
}

// isChange reports whether a request may change something.
func isChange(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// readForm reads the form of a request into PostForm, and answers one that cannot be read. Only forms that are URL-encoded are: parts
// of others would go to files. Whoever sends it decides how long that takes: call it once it is known who that is.
func readForm(w http.ResponseWriter, r *http.Request) bool {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "This form cannot be read.", http.StatusBadRequest)
		return false
	}
	return true
}

// knows reports whether the console may be asked under a host.
func (c *Console) knows(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback() ||
		slices.ContainsFunc(c.Hosts, func(one string) bool { return strings.EqualFold(one, name) || ip != nil && ip.Equal(net.ParseIP(one)) })
}

// ownOrigin reports whether a request that changes something comes from a page of the console.
func ownOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true // not a browser, or one that does not say: the token of the form decides
	}
	from, err := url.Parse(origin)
	return err == nil && strings.EqualFold(from.Host, r.Host)
}

// only answers those alone that have signed in, and posts alone that hold the session's token.
func (c *Console) only(do func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := c.sessions.in(r)
		switch {
		case s == nil && isChange(r):
			refuse(w, "Sign in again: your session has ended.", http.StatusUnauthorized)
		case s == nil:
			to := signInPath
			if r.URL.Path != "/" {
				to += "?" + url.Values{"to": {r.URL.RequestURI()}}.Encode()
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
		case isChange(r) && !readForm(w, r):
		case isChange(r) && !ingest.MatchesAny(r.PostForm.Get(csrfField), []string{s.csrf}):
			http.Error(w, "This form is not of your session. Load the page again.", http.StatusForbidden)
		default:
			do(w, r, s)
		}
	}
}
