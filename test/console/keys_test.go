package console

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// The first Tab of a page is on a link that skips the menu.
func TestSkipTheMenu(t *testing.T) {
	t.Parallel()
	w := signedIn(t, shared.bridge, desk)
	w.visit("/")
	w.press(kb.Tab)
	if skip := script[bool](w, `document.activeElement.matches(".skip") && document.activeElement.getBoundingClientRect().left >= 0`); !skip {
		t.Fatalf("the first Tab is on %s", script[string](w, "document.activeElement.outerHTML"))
	}
	w.press(kb.Enter)
	w.until(`location.hash === "#main"`)
	w.press(kb.Tab)
	if !script[bool](w, `document.activeElement === document.body || document.getElementById("main").contains(document.activeElement) || !document.querySelector("#main a, #main button")`) {
		t.Errorf("the next Tab is on %s", script[string](w, "document.activeElement.outerHTML"))
	}
}

// On a phone the menu opens by Enter, leads on by Enter, and closes again.
func TestMenuByKeyboard(t *testing.T) {
	t.Parallel()
	w := signedIn(t, shared.bridge, phone)
	w.visit("/")
	if script[bool](w, `document.querySelector("nav").checkVisibility({contentVisibilityAuto: true, visibilityProperty: true})`) {
		t.Error("the menu is open at first")
	}
	w.tabTo("summary")
	w.press(kb.Enter)
	w.until(`document.querySelector("nav a").checkVisibility()`)
	w.check(t, "the open menu")
	w.press(kb.Enter)
	w.until(`!document.querySelector("nav").checkVisibility({contentVisibilityAuto: true})`)
	w.press(kb.Enter)
	w.tabTo("nav a:not([aria-current])")
	to := script[string](w, "document.activeElement.pathname")
	w.press(kb.Enter)
	w.until(`location.pathname === ` + quoted(to))
}

// A person without a mouse signs in by the token, and signs out.
func TestSignInByKeyboard(t *testing.T) {
	t.Parallel()
	w := open(t, shared.Admin, desk)
	w.visit("/")
	if !script[bool](w, `document.activeElement.id === "token"`) {
		w.tabTo("#token")
	}
	w.expect("401")
	w.write("not the token")
	w.press(kb.Enter)
	w.shows("This is not the token.")
	w.check(t, "a wrong token")
	if !script[bool](w, `document.activeElement.id === "token"`) {
		w.tabTo("#token")
	}
	w.write(shared.adminToken(t))
	w.press(kb.Enter)
	w.until(`location.pathname === "/"`)
	w.tabTo("nav form button")
	w.press(kb.Enter)
	w.until(`location.pathname === "/console/sign-in"`)
	if w.visit("/"); w.path() != "/console/sign-in" {
		t.Errorf("after signing out / shows %s", w.path())
	}
	w.check(t, "signed out")
}
