package console

import (
	"bufio"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// demo is a crm-bridge demo that stays.
type demo struct {
	crms, console string // URLs of the page of the simulated CRMs, and of the console
	link          string // path that signs in to the console once
	said          []string
}

// startDemo runs crm-bridge demo --crm --stay until the test ends.
func startDemo(t *testing.T) *demo {
	t.Helper()
	cmd := exec.Command(program, "demo", "--crm", "--stay")
	cmd.Env, cmd.Dir = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, t.TempDir()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for all := bufio.NewScanner(out); all.Scan(); {
			select {
			case lines <- all.Text():
			default: // nobody reads on once it is known where everything is
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	})
	d := &demo{}
	crms, console := regexp.MustCompile(`^ *CRMs +(http://\S+)`), regexp.MustCompile(`^ *console +(http://[^/]+)(/\S+)`)
	for late := time.After(time.Minute); d.crms == "" || d.console == ""; {
		select {
		case line := <-lines:
			d.said = append(d.said, line)
			if at := crms.FindStringSubmatch(line); at != nil {
				d.crms = at[1]
			}
			if at := console.FindStringSubmatch(line); at != nil {
				d.console, d.link = at[1], at[2]
			}
		case <-late:
			t.Fatalf("the demo does not say where it is: %q", d.said)
		}
	}
	return d
}

// presses presses a button of a simulated CRM, and returns what happened.
func (w *window) presses(crm, button string) string {
	w.t.Helper()
	const first = `(document.querySelector("#told-now").firstElementChild?.innerText ?? "")`
	before := script[string](w, first)
	w.do(chromedp.Click(`//section[@aria-labelledby=`+quoted(crm)+`]//button[normalize-space()=`+quoted(button)+`]`, chromedp.NodeVisible))
	w.until(first + " !== " + quoted(before))
	return script[string](w, `[...document.querySelectorAll("#told-now p")].map(p => p.innerText).join("\n")`)
}

// The newcomer's way, as docs/first-steps.md describes it: run the demo, sign in, connect a webhook, see an event, break a channel, and
// see it heal. With -update the pictures of the document are taken on the way.
func TestFirstSteps(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	shoot := func(w *window, name string) {
		w.check(t, name)
		if *update {
			w.picture("first-" + name)
		}
	}
	look := look{1100, 700, "light"}

	crms := open(t, d.crms, look)
	crms.visit("/")
	crms.until(`document.querySelector("#zoho-now").innerText.includes("subscription alive")`)
	crms.shows("crm.zoho.Deals.create")
	shoot(crms, "1-crms")

	w := open(t, d.console, look)
	w.visit(d.link)
	w.shows("Well")
	shoot(w, "2-console")

	w.visit("/console/connect")
	w.do(clickLink("Zoho CRM"))
	w.clickOn("Show secrets")
	w.shows("Secrets are shown")
	paste := script[map[string]string](w, pasted)
	if status, text := ask(t, http.MethodPost, paste["URL to notify"], url.Values{"id": {"5725767000003000010"}, "Stage": {"Closed Won"}}, "X-Webhook-Secret", paste["Header X-Webhook-Secret"]); status != 200 {
		t.Fatalf("what was pasted is answered with %d %s", status, text)
	}
	w.until(`!document.querySelector("#arrived").innerText.match(/zoho-webhooks: *Waiting/)`)
	w.do(clickLink("Hide them"))
	w.shows("Show secrets")
	shoot(w, "3-connect")

	w.visit("/console/events?record=5725767000003000010")
	w.clickAt("tbody a[href^='/console/event?']")
	w.shows("Closed Won")
	shoot(w, "4-event")

	crms.presses("zoho", "Drop the subscription")
	told := crms.presses("zoho", "Create a record")
	created := regexp.MustCompile(`Zoho CRM: record (\d+) is created`).FindStringSubmatch(told)
	if created == nil {
		t.Fatalf("the page says %s", told)
	}
	missed := created[1]
	crms.shows("no subscription")
	shoot(crms, "5-broken")
	if w.visit("/console/events?record=" + missed); script[int](w, rows+".length") != 0 {
		t.Error("a record that no callback reported has an event")
	}

	if err := within(100*time.Second, "the missed record is read from the CRM", func() bool {
		w.visit("/console/events?record=" + missed)
		return script[bool](w, rows+`.some(row => row[5] === "repair")`) // the demo may have edited it since, too
	}); err != nil {
		t.Fatal(err)
	}
	shoot(w, "6-healed")
	w.visit("/console/gaps")
	w.shows("Deals")
	shoot(w, "7-gap")
	crms.until(`document.querySelector("#zoho-now").innerText.includes("subscription alive")`)
}
