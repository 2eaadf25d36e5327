package console

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// menu is what the menu must lead to, in its order.
var menu = []string{"Overview", "Sources", "Channels", "Gaps", "Quarantine", "Events", "Records", "Consumers", "Replays", "Connect"}

// links are the pages that a page leads to.
const links = `[...new Set([...document.querySelectorAll("a[href]")].map(a => new URL(a.href)).filter(u => u.origin === location.origin).map(u => u.pathname + u.search))]`

// alike is how many pages that differ in their query alone are looked at.
const alike = 2

// crawl returns where all pages are that the console leads to, from the first one.
func (w *window) crawl() []string {
	w.t.Helper()
	known, ofPath := map[string]bool{"/": true}, map[string]int{}
	for next := []string{"/"}; len(next) > 0; next = next[1:] {
		if w.visit(next[0]); len(known) > 60 {
			w.t.Fatalf("more than 60 pages: %q", slices.Sorted(maps.Keys(known)))
		}
		for _, page := range script[[]string](w, links) {
			path, _, _ := strings.Cut(page, "?")
			if known[page] || strings.Contains(path, "/assets/") {
				continue
			}
			if ofPath[path]++; ofPath[path] <= alike {
				known[page], next = true, append(next, page)
			}
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
