package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// look is how a person looks at a page.
type look struct {
	width, height int64
	scheme        string // light or dark
}

// The looks that every page is tested with.
var (
	phone = look{390, 844, "light"}
	desk  = look{1440, 900, "light"}
	looks = []look{phone, desk, {390, 844, "dark"}, {1440, 900, "dark"}}
)

func (l look) String() string { return fmt.Sprintf("%d-%s", l.width, l.scheme) }

// window is a window of the browser, with cookies of its own.
type window struct {
	t      *testing.T
	ctx    context.Context
	origin string // of the pages, such as http://127.0.0.1:9090

	mu       sync.Mutex
	problems []string // errors in the console, requests to other hosts
	status   int64    // of the last page
	expected []string // parts of problems that the test causes
}

// patience bounds each step in a browser.
const patience = 30 * time.Second

// open opens an empty window for the pages of an origin.
func open(t *testing.T, origin string, as look) *window {
	t.Helper()
	ctx, closeWindow := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(closeWindow)
	w := &window{t: t, ctx: ctx, origin: origin}
	if err := chromedp.Listen(ctx, w.note); err != nil {
		t.Fatal(err)
	}
	w.as(as)
	return w
}

// as changes how the person looks at the pages.
func (w *window) as(l look) {
	w.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
	w.do(chromedp.EmulateViewport(l.width, l.height), func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return chromedp.Void{}, err
	})
}

// note notes what must not happen on any page.
func (w *window) note(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			w.problems = append(w.problems, fmt.Sprintf("console.%s", e.Type))
		}
	case *runtime.EventExceptionThrown:
		w.problems = append(w.problems, "exception: "+e.ExceptionDetails.Text)
		if e.ExceptionDetails.Exception != nil {
			w.problems = append(w.problems, e.ExceptionDetails.Exception.Description)
		}
	case *log.EventEntryAdded: // violations of the content security policy too
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			w.problems = append(w.problems, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Scheme+"://"+u.Host != w.origin {
			w.problems = append(w.problems, "a request to "+e.Request.URL)
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			w.status = e.Response.Status
		}
	}
}

// found returns what must not happen and did since the last call.
func (w *window) found() (problems []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, problem := range w.problems {
		known := false
		for _, part := range w.expected {
			known = known || strings.Contains(problem, part)
		}
		if !known {
			problems = append(problems, problem)
		}
	}
	w.problems = nil
	return problems
}

// expect says that the test causes problems with this text.
func (w *window) expect(part string) { w.expected = append(w.expected, part) }

// do takes steps, each with patience.
func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	for i, step := range steps {
		if err := w.try(step); err != nil {
			w.t.Fatalf("step %d: %v\n%s", i, err, w.where())
		}
	}
}

func (w *window) try(step chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, step)
}

// get takes a step that returns a value.
func get[T any](w *window, step chromedp.Action[T]) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, step)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.where())
	}
	return value
}

// script returns the value of an expression.
func script[T any](w *window, expression string) T {
	w.t.Helper()
	return get(w, chromedp.Evaluate[T](expression))
}

// where says which page is shown, for a failed test.
func (w *window) where() string {
	ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + (document.body?.innerText ?? "").slice(0, 1500)`))
	return text
}

// visit opens a page of the origin, and returns its HTTP status.
func (w *window) visit(path string) int64 {
	w.t.Helper()
	w.do(chromedp.Navigate(w.origin + path))
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// path returns the path of the shown page.
func (w *window) path() string {
	w.t.Helper()
	return script[string](w, "location.pathname")
}

// text returns the visible text of the page.
func (w *window) text() string {
	w.t.Helper()
	return script[string](w, "document.body.innerText")
}

// until waits until an expression holds in the page, whatever navigations happen meanwhile.
func (w *window) until(expression string) {
	w.t.Helper()
	held := false
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && !held; {
		ctx, cancel := context.WithTimeout(w.ctx, patience)
		held, _ = chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && !!("+expression+")"))
		if cancel(); !held {
			time.Sleep(20 * time.Millisecond)
		}
	}
	if !held {
		w.t.Fatalf("not within %s: %s\n%s", patience, expression, w.where())
	}
}

// shows waits until the page shows a text.
func (w *window) shows(text string) {
	w.t.Helper()
	w.until("document.body.innerText.includes(" + quoted(text) + ")")
}

// quoted is a text as a string of a script.
func quoted(text string) string {
	script, _ := json.Marshal(text)
	return string(script)
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }
