package bridge

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// visitor is a browser that has signed in to the console of a bridge.
type visitor struct {
	*testing.T
	http *http.Client
	base string
	csrf string
}

var csrfOf = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// visit signs in to the console by a link, as crm-bridge status --open does.
func visit(t *testing.T, b *Bridge) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := b.data.Secret(datadir.AdminSecret)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{T: t, http: &http.Client{Jar: jar}, base: "http://" + Reachable(b.Admin)}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.base+"/console/link", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(AdminHeader, token)
	_, body := v.do(request)
	var link struct{ URL string }
	if err := json.Unmarshal([]byte(body), &link); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	v.csrf = csrfOf.FindStringSubmatch(v.see(strings.TrimPrefix(link.URL, v.base)))[1]
	return v
}

func (v *visitor) do(r *http.Request) (int, string) {
	v.Helper()
	answer, err := v.http.Do(r)
	if err != nil {
		v.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		v.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// see returns a page.
func (v *visitor) see(path string) string {
	v.Helper()
	request, err := http.NewRequestWithContext(v.Context(), http.MethodGet, v.base+path, nil)
	if err != nil {
		v.Fatal(err)
	}
	code, page := v.do(request)
	if code != http.StatusOK {
		v.Fatalf("%s: %d %s", path, code, page)
	}
	return page
}

// press posts a form of the page at a path, given as names and values, and returns what is shown then.
func (v *visitor) press(path string, fields ...string) (int, string) {
	v.Helper()
	form := url.Values{"csrf": {v.csrf}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	request, err := http.NewRequestWithContext(v.Context(), http.MethodPost, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(request)
}

// confirms presses a button, checks what it asks, says yes, and returns what is shown then.
func (v *visitor) confirms(path string, fields, asks []string) string {
	v.Helper()
	code, page := v.press(path, fields...)
	v.shows(page, asks...)
	if code != http.StatusOK || !strings.Contains(page, `name="confirmed"`) {
		v.Fatalf("%s asks nothing: %d %s", path, code, page)
	}
	code, page = v.press(path, append(fields, "confirmed", "yes")...)
	if code != http.StatusOK {
		v.Fatalf("%s: %d %s", path, code, page)
	}
	return page
}

var tags = regexp.MustCompile(`<[^>]*>`)

// shows checks that a page has texts, whatever elements are within them.
func (v *visitor) shows(page string, texts ...string) {
	v.Helper()
	plain := strings.Join(strings.Fields(tags.ReplaceAllString(page, " ")), " ")
	for _, text := range texts {
		if !strings.Contains(plain, text) && !strings.Contains(page, text) {
			v.Errorf("the page does not say %q: %s", text, plain)
		}
	}
}

// quarantines posts a batch whose odd records cannot be parsed yet, and returns their ids in quarantine.
func quarantines(t *testing.T, callbacks, batch string) (ids []string) {
	t.Helper()
	answer, err := http.Post(callbacks+"/acme/webhooks", "application/json", strings.NewReader(batch))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var got struct {
		Quarantined []struct{ QuarantineID string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	for _, one := range got.Quarantined {
		ids = append(ids, one.QuarantineID)
	}
	return ids
}

// named are batches whose account is known.
type named struct{ batches }

// AccountOf implements ingest.NamesAccount.
func (named) AccountOf(ingest.Callback) string { return "emea" }

// The console lists what is in quarantine, shows one whole, and says what a redrive would publish before it does; a drop is permanent.
func TestConsoleSettlesQuarantine(t *testing.T) {
	source := named{batches{&atomic.Bool{}}}
	b, callbacks := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{source}})
	ids := quarantines(t, callbacks, `[2,3,5,7,9]`)
	if len(ids) != 4 {
		t.Fatalf("in quarantine are %v", ids)
	}
	v := visit(t, b)
	v.shows(v.see("/console/quarantine"), append(ids, "malformed: it is odd", "account emea")...)
	v.shows(v.see("/console/quarantine?account=apac"), "Nothing like that waits.")
	v.shows(v.see("/console/quarantine/callback?id="+ids[0]), ids[0], "POST /acme/webhooks", "[ 3 ]", "it is odd")

	if code, page := v.press("/console/quarantine/redrive", "id", ids[0]); code != http.StatusBadRequest || !strings.Contains(page, "it is odd") {
		t.Errorf("still malformed: %d %s", code, page)
	}
	source.learnt.Store(true)
	v.shows(v.confirms("/console/quarantine/redrive", []string{"id", ids[0]}, []string{"Redrive " + ids[0] + "?", "1 published on crm.zoho.Deals.edit"}),
		"Redriven "+ids[0]+": published on crm.zoho.Deals.edit, stream CRM, sequence 2")
	v.shows(v.confirms("/console/quarantine/drop", []string{"id", ids[1]}, []string{"Drop " + ids[1] + "?", "it is odd", "This cannot be undone."}), "Dropped "+ids[1])
	if code, _ := v.press("/console/quarantine/drop", "id", ids[1], "confirmed", "yes"); code == http.StatusOK {
		t.Error("it was dropped twice")
	}
	if left := v.see("/console/quarantine"); strings.Contains(left, ids[0]) || strings.Contains(left, ids[1]) || !strings.Contains(left, ids[2]) {
		t.Errorf("left is %s", left)
	}
	v.shows(v.confirms("/console/quarantine/redrive-all", []string{"account", "emea"}, []string{"Redrive 2 of the callbacks in quarantine, account emea?", "2 published on crm.zoho.Deals.edit"}),
		"Redriven 2 of the callbacks in quarantine, account emea; 0 stay.", ids[2], ids[3], "sequence 4")
	v.shows(v.see("/console/quarantine"), "Nothing waits.")

	source.learnt.Store(false)
	ids = quarantines(t, callbacks, `[11,13]`)
	v.shows(v.confirms("/console/quarantine/redrive-all", nil, []string{"2 stay: malformed: it is odd"}), "Redriven 0 of the callbacks in quarantine; 2 stay.")
	v.shows(v.confirms("/console/quarantine/drop-all", []string{"source", "zoho-webhooks"}, []string{"Drop 2 of the callbacks of zoho-webhooks?", "cannot be undone"}), "Dropped 2", ids[0], ids[1])
	v.shows(v.see("/console/quarantine"), "Nothing waits.")
}
