package console

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// fill writes a text into a field in place of what is there.
func (w *window) fill(selector, text string) {
	w.t.Helper()
	w.do(chromedp.Focus(chromedp.CSS(selector), chromedp.NodeVisible), chromedp.Evaluate[chromedp.Void]("document.activeElement.select()"))
	if text == "" {
		text = kb.Delete
	}
	w.write(text)
}

// choose chooses what a list offers.
func (w *window) choose(selector, value string) {
	w.t.Helper()
	w.do(chromedp.SetValue(chromedp.CSS(selector), value, chromedp.NodeVisible))
}

// clickAt clicks the first visible element of a selector where a person would.
func (w *window) clickAt(selector string) {
	w.t.Helper()
	w.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// clickOn clicks the first visible link or button with a text, or with a name for those who cannot see it. A page that is refreshed at
// that moment is clicked again.
func (w *window) clickOn(name string) {
	w.t.Helper()
	selector := fmt.Sprintf(`//*[self::a or self::button or self::summary][normalize-space()=%[1]s or @aria-label=%[1]s]`, quoted(name))
	var err error
	for range 5 {
		ctx, cancel := context.WithTimeout(w.ctx, patience/5)
		err = chromedp.Do(ctx, chromedp.Click(selector, chromedp.NodeVisible))
		if cancel(); err == nil {
			return
		}
	}
	w.t.Fatalf("click on %q: %v\n%s", name, err, w.where())
}

// confirms makes a change: a click on a button, which leads to a question with these words, and a yes. It returns what the page then says
// was done.
func (w *window) confirms(t *testing.T, button, yes string, words ...string) (done string) {
	t.Helper()
	w.clickOn(button)
	w.until(`document.querySelector("form.confirm")`)
	question := w.text()
	for _, word := range words {
		if !strings.Contains(question, word) {
			t.Errorf("%s asks, without %q:\n%s", button, word, question)
		}
	}
	w.check(t, "the question of "+button)
	w.tabTo("form.confirm button")
	if label := script[string](w, "document.activeElement.textContent"); label != yes {
		t.Errorf("the button of %s says %q", button, label)
	}
	w.press(kb.Enter)
	w.until(`document.querySelector("h1") && !document.querySelector("form.confirm")`)
	w.check(t, "after "+button)
	return script[string](w, `[...document.querySelectorAll(".told, .problem")].map(e => e.innerText).join(" ")`)
}

// declines clicks on a button, and says no to its question.
func (w *window) declines(button string) {
	w.t.Helper()
	w.clickOn(button)
	w.until(`document.querySelector("form.confirm")`)
	w.clickOn("Cancel")
	w.until(`!document.querySelector("form.confirm")`)
}

// eventually waits until something holds of the bridge or its CRM.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if err := within(time.Minute, what, holds); err != nil {
		t.Fatal(err)
	}
}
