package console

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// menu is what the menu must lead to, in its order.
var menu = []string{"Overview"}

// links are the pages that a page leads to, each without its query.
const links = `[...new Set([...document.querySelectorAll("a[href]")].map(a => new URL(a.href)).filter(u => u.origin === location.origin).map(u => u.pathname))]`

// alike is how many pages that differ in the last part of their path alone are looked at.
const alike = 2

// crawl returns the paths of all pages that the console leads to, from the first one.
func (w *window) crawl() []string {
	w.t.Helper()
	known, ofKind := map[string]bool{"/": true}, map[string]int{}
	for next := []string{"/"}; len(next) > 0; next = next[1:] {
		if w.visit(next[0]); len(known) > 60 {
			w.t.Fatalf("more than 60 pages: %q", slices.Sorted(maps.Keys(known)))
		}
		for _, path := range script[[]string](w, links) {
			kind := path[:strings.LastIndex(path, "/")+1]
			if known[path] || strings.Contains(path, "/assets/") {
				continue
			}
			if ofKind[kind]++; kind != "/console/" && ofKind[kind] > alike {
				continue
			}
			known[path], next = true, append(next, path)
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// Every page that the console leads to is without a fault in every look, and the menu leads to all that there is.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	for _, as := range looks {
		t.Run(as.String(), func(t *testing.T) {
			t.Parallel()
			w := signedIn(t, shared.bridge, as)
			if shown := script[[]string](w, `[...document.querySelectorAll("nav a")].map(a => a.textContent.trim())`); !slices.Equal(shown, menu) {
				t.Errorf("the menu shows %q", shown)
			}
			pages := w.crawl()
			t.Log(pages)
			w.found()
			for _, path := range pages {
				if status := w.visit(path); status != 200 {
					t.Errorf("%s was answered with %d", path, status)
				}
				w.check(t, path)
			}
		})
	}
}

// Pages that nobody has signed in for, and pages that do not exist, are without a fault too.
func TestOtherPages(t *testing.T) {
	t.Parallel()
	for _, as := range looks {
		t.Run(as.String(), func(t *testing.T) {
			t.Parallel()
			w := open(t, shared.Admin, as)
			w.visit("/")
			if w.path() != "/console/sign-in" {
				t.Errorf("/ leads to %s", w.path())
			}
			w.check(t, "signing in")
			w.expect("401")
			w.visit("/console/sign-in?link=used")
			w.check(t, "a link that was used")
			w = signedIn(t, shared.bridge, as)
			w.expect("404")
			if status := w.visit("/console/there/is/none"); status != 404 {
				t.Errorf("a page that does not exist was answered with %d", status)
			}
			w.check(t, "a page that does not exist")
		})
	}
}

// Every page can be used without a mouse: Tab reaches each control, which then shows that it has the focus.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	for _, as := range []look{phone, desk} {
		t.Run(as.String(), func(t *testing.T) {
			t.Parallel()
			w := signedIn(t, shared.bridge, as)
			for _, path := range w.crawl() {
				w.visit(path)
				for _, fault := range w.byKeyboard() {
					t.Errorf("%s: %s", path, fault)
				}
			}
		})
	}
}
