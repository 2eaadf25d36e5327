package simulate

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
)

// screen is what a person reads while the demo runs.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// person presses the buttons of a demo that stays, and looks at its page.
type person struct {
	*testing.T
	url    string
	csrf   string
	screen *screen
}

// wait waits until something is so.
func (p *person) wait(what string, so func() bool) {
	p.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("%s does not come:\n%s\n%s", what, p.screen, p.page())
		}
	}
}

// shows waits until the page matches a pattern so many times.
func (p *person) shows(times int, pattern string) {
	p.Helper()
	p.wait(pattern, func() bool { return len(regexp.MustCompile(pattern).FindAllString(p.page(), -1)) >= times })
}

func (p *person) page() string {
	response, err := http.Get(p.url)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	return string(text)
}

// press presses a button, and returns the status of the answer.
func (p *person) press(button, csrf string) int {
	p.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.PostForm(p.url+button, url.Values{"csrf": {csrf}})
	if err != nil {
		p.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// did presses buttons that work.
func (p *person) did(buttons ...string) {
	p.Helper()
	for _, button := range buttons {
		if status := p.press(button, p.csrf); status != http.StatusSeeOther {
			p.Fatalf("%s: %d", button, status)
		}
	}
}

// kept waits until the bridge remembers the subscription of each CRM: one that is lost before is not known to have been there.
func (p *person) kept() {
	p.Helper()
	found := regexp.MustCompile(`BRIDGE_ADMIN_LISTEN=(\S+) .*BRIDGE_DATA_DIR=(\S+)`).FindStringSubmatch(p.screen.String())
	token, err := datadir.ReadSecret(found[2], datadir.AdminSecret)
	if err != nil {
		p.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodGet, "http://"+found[1]+"/channels", nil)
	if err != nil {
		p.Fatal(err)
	}
	request.Header.Set("X-Admin-Token", token)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			p.Fatal(err)
		}
		lines, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err == nil && bytes.Count(lines, []byte(`"state":"active"`)) >= 2 {
			return
		}
		if time.Now().After(end) {
			p.Fatalf("the bridge keeps %s", lines)
		}
	}
}

// stay starts a demo that stays until the returned func.
func stay(t *testing.T) (p *person, end func() error) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	for _, name := range []string{"BRIDGE_DATA_DIR", "BRIDGE_LISTEN", "BRIDGE_ADMIN_LISTEN", "BRIDGE_NATS_LISTEN"} {
		t.Setenv(name, "") // what the demo sets is taken back
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := &screen{}, make(chan error, 1)
	go func() { ended <- Stay{Life: 12 * time.Second}.Run(ctx, out) }()
	p = &person{T: t, screen: out}
	address := regexp.MustCompile(`CRMs +(http://\S+)`)
	for end := time.Now().Add(30 * time.Second); p.url == ""; time.Sleep(10 * time.Millisecond) {
		if found := address.FindStringSubmatch(out.String()); found != nil {
			p.url = found[1] + "/"
		} else if time.Now().After(end) || len(ended) > 0 {
			cancel()
			t.Fatalf("does not start: %v\n%s", <-ended, out)
		}
	}
	p.csrf = regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(p.page())[1]
	return p, func() error {
		cancel()
		return <-ended
	}
}

// Every button of the page does what it says: records become events, lost callbacks do not, a wrong token is rejected, and a subscription
// that is dropped, or lapses, is alive again a moment later, with the record that no callback reported.
func TestStay(t *testing.T) {
	p, end := stay(t)
	p.kept()
	p.shows(2, "subscription alive")
	p.did("zoho/create", "bitrix24/create")
	p.shows(1, `crm\.zoho\.Deals\.create</td>(.|\n)*?reported by a callback`)
	p.shows(1, `crm\.bitrix24\.Deal\.create</td>(.|\n)*?reported by a callback`)
	p.did("zoho/edit", "bitrix24/edit")
	p.shows(1, `>crm\.zoho\.Deals\.edit<`)
	p.shows(1, `>crm\.bitrix24\.Deal\.edit<`)

	p.did("zoho/forge", "bitrix24/forge")
	p.shows(2, "a callback with a wrong token is answered 401")

	p.did("zoho/lose", "zoho/edit", "zoho/edit", "zoho/edit", "zoho/delete")
	p.shows(1, `>crm\.zoho\.Deals\.delete<`)
	if page := p.page(); strings.Count(page, ">crm.zoho.Deals.edit<") != 1 {
		t.Errorf("lost callbacks came all the same:\n%s", page)
	}

	p.did("zoho/drop", "bitrix24/drop", "zoho/create", "bitrix24/create")
	p.shows(1, `crm\.zoho\.Deals\.create  record 6172731000000000002  read from the CRM`)
	p.shows(1, `crm\.bitrix24\.Deal\.create  record 2  read from the CRM`)
	p.shows(2, "subscription alive")

	p.did("zoho/lapse", "bitrix24/lapse")
	p.shows(1, `crm\.zoho\.Deals\.create  record 6172731000000000003  read from the CRM`)
	p.shows(1, `crm\.bitrix24\.Deal\.create  record 3  read from the CRM`)

	p.did("zoho/busy", "bitrix24/down")
	p.shows(1, "its API answers 429 for another")
	p.shows(1, "its API answers 503 for another")

	if err := end(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// The page is for the person alone: other names, forms of other pages and other sites are refused, and it loads nothing from elsewhere.
func TestStayIsGuarded(t *testing.T) {
	p, end := stay(t)
	defer func() { _ = end() }()
	if status := p.press("zoho/drop", "guessed"); status != http.StatusForbidden {
		t.Errorf("a form without the token: %d", status)
	}
	for button, want := range map[string]int{"zoho/nonsense": 404, "nonsense/drop": 404} {
		if status := p.press(button, p.csrf); status != want {
			t.Errorf("%s: %d", button, status)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"another name": func(r *http.Request) { r.Host = "rebound.test" },
		"another site": func(r *http.Request) { r.Header.Set("Origin", "https://rebound.test") },
	} {
		request, err := http.NewRequest(http.MethodPost, p.url+"zoho/drop", strings.NewReader(url.Values{"csrf": {p.csrf}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		change(request)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _ = response.Body.Close(); response.StatusCode/100 != 4 || !strings.Contains(response.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %s, %q", name, response.Status, response.Header)
		}
	}
	for _, loads := range regexp.MustCompile(`(?:src|<link rel="[a-z]+" href)="([^"]+)"`).FindAllStringSubmatch(p.page(), -1) {
		if !strings.HasPrefix(loads[1], "/console/assets/") {
			t.Errorf("the page loads %s", loads[1])
		}
		if response, err := http.Get(strings.TrimSuffix(p.url, "/") + loads[1]); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %v", loads[1], err)
		}
	}
}

// The demo of the CRMs shows that each subscription is lost and repaired, and leaves nothing behind.
func TestDemoCRM(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	began := time.Now()
	if err := DemoCRM(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, shown := range []string{
		"Zoho CRM: active subscription: false", "Bitrix24: active subscription: false",
		"crm.zoho.Deals.create  record 6172731000000000002  read from the CRM", "crm.bitrix24.Deal.create  record 2  read from the CRM",
	} {
		if !strings.Contains(out.String(), shown) {
			t.Errorf("does not show %q:\n%s", shown, out.String())
		}
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
