package console

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

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
			http.Error(w, "The console is not served under this name. Add it to BRIDGE_ADMIN_HOSTS, or ask under localhost.", http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if err := r.ParseForm(); err != nil {
				http.Error(w, "This form cannot be read.", http.StatusBadRequest)
				return
			}
			if !ownOrigin(r) {
				http.Error(w, "This form was sent by a page of another site.", http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// knows reports whether the console may be asked under a host.
func (c *Console) knows(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback() ||
		slices.ContainsFunc(c.Hosts, func(one string) bool { return strings.EqualFold(one, name) })
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

// cookieName is the name of the session's cookie. Browsers send cookies to every port of a host: bridges on one machine need their own.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	return "crm_bridge_console_" + port
}

// only answers those alone that have signed in, and posts alone that hold the session's token.
func (c *Console) only(do func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var s *session
		if cookie, err := r.Cookie(cookieName(r)); err == nil {
			s = c.sessions.of(cookie.Value, time.Now())
		}
		posted := r.Method != http.MethodGet && r.Method != http.MethodHead
		switch {
		case s == nil && posted:
			http.Error(w, "Sign in again: your session has ended.", http.StatusUnauthorized)
		case s == nil:
			to := signInPath
			if r.URL.Path != "/" {
				to += "?" + url.Values{"to": {r.URL.RequestURI()}}.Encode()
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
		case posted && !ingest.MatchesAny(r.PostForm.Get(csrfField), []string{s.csrf}):
			http.Error(w, "This form is not of your session. Load the page again.", http.StatusForbidden)
		default:
			do(w, r, s)
		}
	}
}

// newAttempts limits how often somebody may try to sign in. A token cannot be guessed; this keeps the attempts cheap.
func newAttempts() *rate.Limiter { return rate.NewLimiter(rate.Every(6*time.Second), 10) }
