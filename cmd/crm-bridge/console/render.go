package console

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// templates are the pages by name, each with the layout and what they share.
var templates = mustParse()

func mustParse() map[string]*template.Template {
	shared := template.Must(template.New("layout").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/parts*.html"))
	names, err := files.ReadDir("templates")
	if err != nil {
		panic(err) // a fault of the program itself
	}
	all := map[string]*template.Template{}
	for _, entry := range names {
		name := strings.TrimSuffix(entry.Name(), ".html")
		if name == "layout" || strings.HasPrefix(name, "parts") {
			continue
		}
		all[name] = template.Must(template.Must(shared.Clone()).ParseFS(files, "templates/"+entry.Name()))
	}
	return all
}

// view is what the layout shows.
type view struct {
	Title    string
	Template string
	Menu     string // URL of the page of the menu that is shown
	Every    int    // seconds after which the page is refreshed; 0: never
	From     string // what it is refreshed from; empty: its own URL
	Problem  string // what went wrong, as a sentence
	Data     any

	// These are filled in by render.
	Pages   []menuEntry // empty: nobody has signed in
	CSRF    string
	Told    []string
	Version string
	Style   string // URLs of the assets, which change with them
	Script  string
	Icon    string
	Now     time.Time
}

// menuEntry is a page in the menu.
type menuEntry struct {
	URL, Title string
	Shown      bool
}

// render answers with a page.
func (c *Console) render(w http.ResponseWriter, r *http.Request, s *session, status int, v view) {
	v.Version, v.Style, v.Script, v.Icon, v.Now = c.Version, assetURL("console.css"), assetURL("console.js"), assetURL("icon.svg"), time.Now()
	if s != nil {
		v.CSRF = s.csrf
		for _, page := range c.Pages {
			if page.Within == "" {
				v.Pages = append(v.Pages, menuEntry{URL: page.url(), Title: page.Title, Shown: page.url() == v.Menu})
			}
		}
		if r.Header.Get("X-Refresh") == "" { // what was told waits for a page that a person sees
			v.Told = s.hear()
		}
	}
	var page bytes.Buffer
	if err := templates[v.Template].ExecuteTemplate(&page, "layout.html", v); err != nil {
		c.Log.Error("a page of the console cannot be rendered", "page", r.URL.Path, "error", err)
		http.Error(w, "This page cannot be shown: its template failed. The log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w)
}

// sentence returns an error as a person reads it.
func sentence(err error) string {
	return strings.TrimSuffix(capital(terminal.Plainly(err)), ".") + "."
}
