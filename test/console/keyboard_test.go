package console

import (
	"fmt"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// countControls numbers what a person can use on the page, and returns how much there is. Of a group of radio buttons the keyboard
// reaches one.
const countControls = `(() => {
	const groups = new Set();
	const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")].filter(e => {
		if (e.disabled || e.tabIndex < 0 || e.type === "hidden" || !e.checkVisibility({visibilityProperty: true})) return false;
		if (e.type !== "radio") return true;
		const known = groups.has(e.name);
		groups.add(e.name);
		return !known;
	});
	all.forEach((e, i) => e.setAttribute("data-control", i));
	return all.length;
})()`

// focused describes the element that has the focus: which control it is, and what a person would miss.
const focused = `(() => {
	const e = document.activeElement;
	if (!e || e === document.body) return {control: -1};
	const style = getComputedStyle(e), box = e.getBoundingClientRect(), faults = [];
	if ((style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 1) && style.boxShadow === "none") faults.push("has no visible focus");
	if (box.bottom < 1 || box.top > innerHeight - 1 || box.right < 1 || box.left > innerWidth - 1) faults.push("is focused outside the window");
	const top = document.elementFromPoint(Math.min(innerWidth - 1, Math.max(0, box.left + box.width / 2)), Math.min(innerHeight - 1, Math.max(0, box.top + Math.min(box.height, innerHeight) / 2)));
	if (!faults.length && top && !e.contains(top) && !top.contains(e) && ["fixed", "sticky"].includes(getComputedStyle(top).position)) faults.push("is focused below " + top.tagName);
	const group = e.type === "radio" ? document.querySelector("[type=radio][data-control][name=" + CSS.escape(e.name) + "]") : null;
	return {control: Number((group ?? e).getAttribute("data-control") ?? -2), html: e.outerHTML.slice(0, 140), faults};
})()`

// mostControls bounds how often Tab is pressed on a page.
const mostControls = 400

// byKeyboard presses Tab through the whole page, and returns what a person without a mouse could not reach or see.
func (w *window) byKeyboard() (faults []string) {
	w.t.Helper()
	count := script[int](w, countControls)
	w.fromTheTop()
	reached := map[int]bool{}
	for range min(count+5, mostControls) {
		w.press(kb.Tab)
		at := script[struct {
			Control int
			HTML    string
			Faults  []string
		}](w, focused)
		if at.Control == -1 || reached[at.Control] && len(reached) == count {
			break
		}
		reached[at.Control] = true
		for _, fault := range at.Faults {
			faults = append(faults, at.HTML+" "+fault)
		}
	}
	for i := range count {
		if !reached[i] {
			faults = append(faults, "Tab does not reach "+script[string](w, fmt.Sprintf(`document.querySelector("[data-control='%d']")?.outerHTML.slice(0, 140) ?? "a control that is gone"`, i)))
		}
	}
	return faults
}

// fromTheTop makes Tab begin at the start of the page.
func (w *window) fromTheTop() {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](`document.activeElement?.blur(); getSelection().removeAllRanges(); scrollTo(0, 0);
		document.body.tabIndex = -1; document.body.focus({preventScroll: true}); document.body.removeAttribute("tabindex")`))
}

// press presses a key.
func (w *window) press(key string) {
	w.t.Helper()
	w.do(chromedp.KeyEvent(key))
}

// write types a text into what has the focus.
func (w *window) write(text string) {
	w.t.Helper()
	w.do(chromedp.KeyEvent(text))
}

// tabTo presses Tab until the focus is on what a selector selects.
func (w *window) tabTo(selector string) {
	w.t.Helper()
	for range mostControls {
		w.press(kb.Tab)
		if script[bool](w, fmt.Sprintf("document.activeElement?.matches(%q) ?? false", selector)) {
			return
		}
	}
	w.t.Fatalf("Tab does not reach %s\n%s", selector, w.where())
}
