package console

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeRun names what violates a rule, one line for each element.
const axeRun = `axe.run(document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}}).then(r => r.violations.flatMap(v => v.nodes.map(n =>
	v.id + " (" + v.impact + "): " + n.target.join(" ") + ": " + n.html.slice(0, 200) + " " + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? ""))))`

// sticking names what sticks out of the window at its right, and does not scroll in a box of its own.
const sticking = `[...document.querySelectorAll("body *")].filter(e => {
	if (!e.checkVisibility() || e.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false;
	for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
		if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(p).overflowX) && p.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false;
	return true;
}).slice(0, 5).map(e => e.outerHTML.slice(0, 160) + " ends at " + Math.round(e.getBoundingClientRect().right))`

// clipped names what shows a part of its text alone.
const clipped = `[...document.querySelectorAll("main *")].filter(e => e.checkVisibility() && e.textContent.trim() && e.clientWidth > 1 &&
	["hidden", "clip"].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1).slice(0, 5).map(e => e.outerHTML.slice(0, 160))`

// emptied names paragraphs that a browser has closed because of what stands in them.
const emptied = `[...document.querySelectorAll("p:empty")].slice(0, 5).map(e => e.parentElement.outerHTML.slice(0, 160))`

// faults returns what is wrong with the page as it is shown now.
func (w *window) faults() (faults []string) {
	w.t.Helper()
	if over := script[int](w, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		faults = append(faults, fmt.Sprintf("the page is %d pixels wider than the window", over))
	}
	for _, element := range script[[]string](w, sticking) {
		faults = append(faults, "sticks out of the window: "+element)
	}
	for _, element := range script[[]string](w, clipped) {
		faults = append(faults, "is clipped: "+element)
	}
	for _, element := range script[[]string](w, emptied) {
		faults = append(faults, "has an empty paragraph: "+element)
	}
	w.do(chromedp.Evaluate[chromedp.Void]("if (!window.axe) {" + rules + "\n}"))
	for _, violation := range get(w, chromedp.Evaluate[[]string](axeRun, chromedp.EvalAwaitPromise)) {
		faults = append(faults, "axe: "+violation)
	}
	return append(faults, w.found()...)
}

// check fails the test with all that is wrong with the page.
func (w *window) check(t *testing.T, what string) {
	t.Helper()
	for _, fault := range w.faults() {
		t.Errorf("%s: %s", what, fault)
	}
}

// mentions reports whether one of the faults has a text.
func mentions(faults []string, text string) bool {
	for _, fault := range faults {
		if strings.Contains(fault, text) {
			return true
		}
	}
	return false
}
