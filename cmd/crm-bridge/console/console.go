// Package console is the web console on the admin address: pages that show what the bridge does, and changes that an operator confirms.
// It renders what its pages' functions return; it knows neither HTTP callbacks nor NATS.
package console

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
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

// Action is a change that an operator makes.
type Action struct {
	Label string // of the button that confirms it
	// Ask returns what the operator confirms, as a question and what follows from a yes; nil: it is made without one.
	Ask func(ctx context.Context, form url.Values) (Question, error)
	// Do makes the change, and returns what was done as a sentence. The browser then goes to the path back, or to the page if it is empty.
	Do func(ctx context.Context, form url.Values) (done, back string, err error)
	// Show takes the place of Do where what it returns is secret, or too long for a sentence: that is the answer.
	Show func(ctx context.Context, form url.Values) (Shown, error)
}

// Shown is what answers a change in place of a page.
type Shown struct {
	Title, Template string
	Data            any
	From            string // path of the page that the live parts are refreshed from; empty: they are not
}

// Question is what an operator confirms.
type Question struct {
	Text      string   // such as "Drop callback 0198…?"
	Details   []string // what follows from a yes
	Permanent bool     // it cannot be undone
	Back      string   // path of the page that a no leads to; empty: that of the action
}

// ErrNotFound says that what a page should show does not exist.
var ErrNotFound = errors.New("this does not exist")

// NotFound is an ErrNotFound that says what does not exist.
type NotFound string

// Error implements error.
func (n NotFound) Error() string { return string(n) }

// Is makes it an ErrNotFound.
func (NotFound) Is(target error) bool { return target == ErrNotFound }

// actionTimeout bounds a change; some call a CRM's API.
const actionTimeout = 2 * time.Minute

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

// act makes a change, once the operator has confirmed it.
func (c *Console) act(w http.ResponseWriter, r *http.Request, s *session, page Page, action Action) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actionTimeout)
	defer cancel()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(actionTimeout + 10*time.Second))
	form := url.Values{}
	for name, values := range r.PostForm {
		if name != csrfField && name != confirmField {
			form[name] = values
		}
	}
	if action.Ask != nil && r.PostForm.Get(confirmField) == "" {
		question, err := action.Ask(ctx, form)
		if err != nil {
			c.render(w, r, s, http.StatusBadRequest, view{Title: page.Title, Template: "problem", Menu: page.menu(), Problem: sentence(err)})
			return
		}
		c.render(w, r, s, http.StatusOK, view{
			Title: action.Label, Template: "confirm", Menu: page.menu(), Data: confirmation{question, action.Label, r.URL.Path, cmp.Or(question.Back, page.url()), form},
		})
		return
	}
	shown, done, back, err := action.make(ctx, form)
	if err != nil {
		c.Log.Warn("a change by the console failed", "change", r.URL.Path, "error", err)
		c.render(w, r, s, http.StatusBadGateway, view{Title: page.Title, Template: "problem", Menu: page.menu(), Problem: sentence(err)})
		return
	}
	c.Log.Info("changed by the console", "change", r.URL.Path)
	if action.Show != nil {
		v := view{Title: shown.Title, Template: shown.Template, Menu: page.menu(), From: shown.From, Data: shown.Data}
		if shown.From != "" {
			v.Every = int(page.Every.Seconds())
		}
		c.render(w, r, s, http.StatusOK, v)
		return
	}
	s.tell(done)
	http.Redirect(w, r, cmp.Or(back, page.url()), http.StatusSeeOther)
}

// make makes the change.
func (a Action) make(ctx context.Context, form url.Values) (shown Shown, done, back string, err error) {
	if a.Show != nil {
		shown, err = a.Show(ctx, form)
		return shown, "", "", err
	}
	done, back, err = a.Do(ctx, form)
	return Shown{}, done, back, err
}

// confirmation is what the page confirm shows: Form is posted again with the answer.
type confirmation struct {
	Question
	Label, Action, Cancel string
	Form                  url.Values
}
