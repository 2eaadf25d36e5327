package console

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Without scripts the menu leads to every page, and a person can sign in by the token and sign out.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	for _, as := range []look{phone, desk} {
		t.Run(as.String(), func(t *testing.T) {
			t.Parallel()
			w := open(t, shared.Admin, as)
			w.do(func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
				_, err = cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
				return none, err
			})
			w.visit(shared.link(t))
			for _, title := range menu {
				if as == phone {
					w.clickAt(".menu > summary")
				}
				w.do(chromedp.Click(`//nav//a[normalize-space()="`+title+`"]`, chromedp.NodeVisible))
				w.until(`document.querySelector("h1").textContent === ` + quoted(title))
			}
			if as == phone {
				w.clickAt(".menu > summary")
			}
			w.clickAt("nav form button")
			w.until(`location.pathname === "/console/sign-in"`)
			for _, fault := range w.found() {
				t.Error(fault)
			}
		})
	}
}
