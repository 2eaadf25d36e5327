package console

import "testing"

// A page says that it is old once a refresh fails: also where the bridge answers, but with an error.
func TestAFailedRefreshIsSaid(t *testing.T) {
	t.Parallel()
	w := signedIn(t, shared.bridge, desk)
	w.visit("/")
	const says = `document.getElementById("refreshed").textContent`
	w.until(says + ` === "Refreshed every 5 s."`)
	script[bool](w, `window.answers = window.fetch, window.fetch = async () => new Response("{}", {status: 503}), true`)
	w.until(says + ` === "This page cannot be refreshed; what you see is old."`)
	script[bool](w, `window.fetch = window.answers, true`)
	w.until(says + ` === "Refreshed every 5 s."`)
}
