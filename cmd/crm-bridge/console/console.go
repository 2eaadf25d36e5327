// Package console is the web console on the admin address: pages that show what the bridge does, and changes that an operator confirms.
// It renders what its pages' functions return; it knows neither HTTP callbacks nor NATS.
package console

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Console answers at / and below /console/. Set the exported fields once, then serve Handler.
type Console struct {
	Token   string   // signs in; empty: only a link does
	Hosts   []string // names under which it may be asked, beside those of loopback
	Version string   // of the bridge, shown in the footer
	Pages   []Page   // in the order of the menu
	Log     *slog.Logger

	sessions sessions
	links    links
	attempts *rate.Limiter // to sign in by the token
	streams  chan struct{} // a slot for each page that is sent what happens
	ended    chan struct{} // closed by End
	end      sync.Once
}

// Page is a page of the console: its template is templates/<Template>.html.
type Page struct {
	Path     string // below /console/, such as "channels"; empty: the first page, at /
	Title    string
	Template string
	Within   string // path of the page of the menu that leads to this one; empty: it is in the menu itself
	Every    time.Duration
	// View returns what the template shows. ErrNotFound becomes a 404; of any other error the page shows the text.
	View    func(r *http.Request) (any, error)
	Actions map[string]Action // posted to <page>/<name>
	// Streams send what happens while the page is open, from <page>/<name>, until their request ends.
	Streams map[string]func(r *http.Request, send func(template string, data any) error) error
}

// ErrNotFound says that what a page should show does not exist.
var ErrNotFound = errors.New("this does not exist")

// NotFound is an ErrNotFound that says what does not exist.
type NotFound string

// Error implements error.
func (n NotFound) Error() string { return string(n) }

// Is makes it an ErrNotFound.
func (NotFound) Is(target error) bool { return target == ErrNotFound }

// Handler returns the console as a handler for / and everything below /console/.
func (c *Console) Handler() http.Handler {
	c.attempts, c.streams, c.ended = newAttempts(), make(chan struct{}, maxStreams), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /console/assets/{file}", asset)
	mux.HandleFunc("GET "+signInPath, c.signInPage)
	mux.HandleFunc("POST "+signInPath, c.signIn)
	mux.HandleFunc("POST /console/sign-out", c.only(c.signOut))
	for _, page := range c.Pages {
		at := page.url()
		if at == "/" {
			at = "/{$}"
		}
		mux.HandleFunc("GET "+at, c.only(func(w http.ResponseWriter, r *http.Request, s *session) { c.show(w, r, s, page) }))
		for name, action := range page.Actions {
			mux.HandleFunc("POST "+page.below(name), c.only(func(w http.ResponseWriter, r *http.Request, s *session) { c.act(w, r, s, page, action) }))
		}
		for name, stream := range page.Streams {
			mux.HandleFunc("GET "+page.below(name), c.only(func(w http.ResponseWriter, r *http.Request, s *session) { c.stream(w, r, s, stream) }))
		}
	}
	mux.HandleFunc("/", c.only(func(w http.ResponseWriter, r *http.Request, s *session) {
		c.render(w, r, s, http.StatusNotFound, view{Title: "Not found", Template: "problem", Problem: "There is no page at " + r.URL.Path + "."})
	}))
	return c.guarded(mux)
}

// End ends what is sent to open pages, so that a server that shuts down need not wait for them.
func (c *Console) End() { c.end.Do(func() { close(c.ended) }) }

// url is where the page is.
func (p Page) url() string {
	if p.Path == "" {
		return "/"
	}
	return "/console/" + p.Path
}

// below is where something of the page is.
func (p Page) below(name string) string {
	return "/console/" + strings.TrimPrefix(p.Path+"/"+name, "/")
}

// show answers with a page.
func (c *Console) show(w http.ResponseWriter, r *http.Request, s *session, page Page) {
	v := view{Title: page.Title, Template: page.Template, Menu: page.menu(), Every: int(page.Every.Seconds())}
	status := http.StatusOK
	data, err := page.View(r)
	switch {
	case errors.Is(err, ErrNotFound):
		status, v.Template, v.Problem = http.StatusNotFound, "problem", sentence(err)
	case err != nil:
		status, v.Template, v.Problem = http.StatusBadGateway, "problem", sentence(err)
	}
	if named, ok := data.(titled); ok && err == nil {
		v.Title = named.title()
	}
	v.Data = data
	c.render(w, r, s, status, v)
}

// titled is what a page shows that has a title of its own, such as the name of a CRM.
type titled interface{ title() string }

// menu is the URL of the page of the menu that this one belongs to.
func (p Page) menu() string {
	if p.Within != "" {
		return Page{Path: p.Within}.url()
	}
	return p.url()
}
