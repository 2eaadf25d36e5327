package console

import (
	"context"
	"errors"
	"net/http"
)

// Handler returns the console as a handler for / and everything below /console/.
func (c *Console) Handler() http.Handler {
	c.tokens, c.streams = make(chan struct{}, maxTokens), make(chan struct{}, maxStreams)
	c.open, c.end = context.WithCancel(context.Background())
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
func (c *Console) End() { c.end() }

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
