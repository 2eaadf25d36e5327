package console

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// pictures is where the pictures of the documents are.
const pictures = "../../docs/console"

// mostBytes bounds a picture.
const mostBytes = 80 << 10

// tallest and tallestPhone bound the height of a picture: what is below is left out.
const (
	tallest      = 1150
	tallestPhone = 1500
)

// picture writes the page as a picture of the documents; how it looks is how it is shown now.
func (w *window) picture(name string) {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](`document.activeElement?.blur(); scrollTo(0, 0)`))
	size := script[[2]float64](w, `[innerWidth, Math.max(innerHeight, document.body.scrollHeight)]`)
	most := float64(tallest)
	if size[0] < 400 {
		most = tallestPhone
	}
	taken := get(w, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		shot, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{
			CaptureBeyondViewport: new(true), Clip: &page.Viewport{Width: size[0], Height: min(size[1], most), Scale: 1},
		})
		return shot.Data, err
	})
	small, err := shrink(taken)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(small) > mostBytes {
		w.t.Errorf("the picture %s has %d KB", name, len(small)>>10)
	}
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pictures, name+".png"), small, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// busy is how long callbacks come before the pictures are taken: the overview has charts of minutes.
const busy = 4 * time.Minute

// The pictures of docs/console.md: every page, light and dark, and some as on a phone. Only -update takes them.
func TestPictures(t *testing.T) {
	if !*update {
		return
	}
	folder, err := os.MkdirTemp("", "demo") //nolint:usetesting // the pictures show it: it must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	d, err := startDay(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.end)
	d.bustle(t, busy)
	stored, waiting := d.eventsOf(t, d.deals[4]), ""
	if ids, _ := d.waiting(t); len(ids) > 0 {
		waiting = ids[0]
	}
	pages := []struct{ name, path string }{
		{"sign-in", ""},
		{"overview", "/"},
		{"sources", "/console/sources"},
		{"channels", "/console/channels"},
		{"gaps", "/console/gaps"},
		{"quarantine", "/console/quarantine"},
		{"callback", "/console/quarantine/callback?id=" + waiting},
		{"events", "/console/events?subject=crm.*.Deals.*"},
		{"event", "/console/event?sequence=" + itoa(stored[len(stored)-1].Sequence)},
		{"record", "/console/record?provider=zoho&module=Deals&account=default&id=" + d.deals[4]},
		{"records", "/console/records"},
		{"consumers", "/console/consumers"},
		{"consumer", "/console/consumer?stream=CRM&name=warehouse"},
		{"replays", "/console/replays"},
		{"replay", "/console/replay-new?subject=crm.zoho.Deals.%3E"},
		{"connect", "/console/connect/crm?provider=zoho&account=default"},
	}
	for _, as := range []look{{1200, 700, "light"}, {1200, 700, "dark"}, phone} {
		w := signedIn(t, d.bridge, as)
		for _, page := range pages {
			name := page.name + "-" + as.scheme
			if as == phone {
				if name = page.name + "-phone"; !slices.Contains([]string{"overview", "channels", "event"}, page.name) {
					continue
				}
			}
			if page.path == "" {
				out := open(t, d.Admin, as)
				out.visit("/console/sign-in")
				out.picture(name)
				continue
			}
			w.visit(page.path)
			w.picture(name)
		}
		w.visit("/console/replay-new?subject=crm.zoho.Deals.%3E")
		if as != phone {
			w.clickOn("Count what it would replay")
			w.until(`document.querySelector("form.confirm")`)
			w.picture("confirm-" + as.scheme)
		}
	}
}

// bustle lets callbacks of several CRMs come for a while, and some records change.
func (d *day) bustle(t *testing.T, span time.Duration) {
	t.Helper()
	stages := []string{"Qualification", "Needs Analysis", "Proposal", "Negotiation"}
	for i, end := 0, time.Now().Add(span); time.Now().Before(end); i++ {
		kind := []string{"zoho-webhooks", "pipedrive-webhooks", "hubspot-webhooks", "bitrix24-events", "zoho-webhooks"}[i%5]
		if _, err := d.run("send", kind, "--count", strconv.Itoa(20+30*(i%4)), "--rate", "20"); err != nil {
			t.Fatal(err)
		}
		for j, id := range d.deals {
			if j != 2 && (i+j)%3 == 0 { // the third is deleted
				if err := d.crm.Update("Deals", id, map[string]any{"Stage": stages[(i+j)%4], "Amount": 1000 + 130*i + 10*j}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if i%3 == 0 {
			_, _, _ = post(d.Callbacks+"/zoho/notifications", map[string]any{"module": "Deals", "token": "guessed", "channel_id": "1"})
		}
	}
}

// The documents show every picture that is kept, and keep every picture that they show; none is large.
func TestPicturesAreShown(t *testing.T) {
	t.Parallel()
	var shown []string
	for _, document := range []string{"console.md", "first-steps.md"} {
		text, err := os.ReadFile("../../docs/" + document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`(?:\]\(|src(?:set)?=")console/([a-z0-9-]+\.png)`).FindAllStringSubmatch(string(text), -1) {
			shown = append(shown, match[1])
		}
	}
	kept, err := os.ReadDir(pictures)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range kept {
		if !slices.Contains(shown, file.Name()) {
			t.Errorf("no document shows docs/console/%s", file.Name())
		}
		if info, err := file.Info(); err != nil || info.Size() > mostBytes {
			t.Errorf("docs/console/%s has %d KB (%v)", file.Name(), info.Size()>>10, err)
		}
	}
	for _, name := range shown {
		if _, err := os.Stat(filepath.Join(pictures, name)); err != nil {
			t.Errorf("a document shows %s: %v; run make console-pictures", name, err)
		}
	}
}
