// Package console is the web console on the admin address: pages that show what the bridge does, and changes that an operator confirms.
// It renders what its pages' functions return; it knows neither HTTP callbacks nor NATS.
package console

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Console answers at / and below /console/. Set the exported fields once, then serve Handler.
type Console struct {
	Token   string   // signs in; empty: only a link does
	Hosts   []string // names and addresses under which it may be asked, beside those of loopback
	Version string   // of the bridge, shown in the footer
	Pages   []Page   // in the order of the menu
	Log     *slog.Logger

	sessions sessions
	links    links
	attempts attempts        // to sign in by the token
	tokens   chan struct{}   // a slot for each token that is being read
	streams  chan struct{}   // a slot for each page that is sent what happens
	open     context.Context // of what is sent to open pages
	end      context.CancelFunc
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

// signInPath is where the form to sign in is; linkField is the parameter of a link that needs none.
const (
	signInPath = "/console/sign-in"
	linkField  = "link"
)

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

// menu is the URL of the page of the menu that this one belongs to.
func (p Page) menu() string {
	if p.Within != "" {
		return Page{Path: p.Within}.url()
	}
	return p.url()
}
