package bridge

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

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

// refused posts a form that is answered with an error, and returns the page that says why.
func (o *operator) refused(path string, form url.Values, status int) string {
	o.t.Helper()
	form.Set("csrf", o.csrf)
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, o.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return o.ask(r, status)
}

// The console lists what is in quarantine, shows one whole, and says what a redrive would publish before it does; a drop is permanent.
func TestConsoleSettlesQuarantine(t *testing.T) {
	t.Parallel()
	source := named{batches{&atomic.Bool{}}}
	b, callbacks := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{source}})
	ids := quarantines(t, callbacks, `[2,3,5,7,9]`)
	if len(ids) != 4 {
		t.Fatalf("in quarantine are %v", ids)
	}
	o := signsIn(t, b)
	o.shows("/console/quarantine", append(ids, "malformed: it is odd", "account emea")...)
	o.shows("/console/quarantine?account=apac", "Nothing like that waits.")
	o.shows("/console/quarantine/callback?id="+ids[0], ids[0], "POST /acme/webhooks", ">[\n  3\n]</pre>", "it is odd")

	if page := o.refused("/console/quarantine/redrive", url.Values{"id": {ids[0]}}, http.StatusBadRequest); !strings.Contains(page, "it is odd") {
		t.Errorf("still malformed: %s", main(page))
	}
	source.learnt.Store(true)
	if page := o.post("/console/quarantine/redrive", url.Values{"id": {ids[0]}}); !strings.Contains(page, "1 published on crm.zoho.Deals.edit") {
		t.Errorf("the dry run says: %s", main(page))
	}
	o.does("/console/quarantine/redrive", url.Values{"id": {ids[0]}}, "Redrive "+ids[0]+"?", "Redriven "+ids[0]+": published on crm.zoho.Deals.edit, stream CRM, sequence 2")
	o.does("/console/quarantine/drop", url.Values{"id": {ids[1]}}, "This cannot be undone.", "Dropped "+ids[1])
	o.refused("/console/quarantine/drop", url.Values{"id": {ids[1]}, "confirmed": {"yes"}}, http.StatusBadGateway)
	if left := o.shows("/console/quarantine", ids[2], ids[3]); strings.Contains(left, ids[0]) || strings.Contains(left, ids[1]) {
		t.Errorf("left is %s", main(left))
	}
	o.does("/console/quarantine/redrive-all", url.Values{"account": {"emea"}}, "Redrive 2 of the callbacks in quarantine, account emea?", "sequence 4")
	o.shows("/console/event?sequence=4", "crm.zoho.Deals.edit")
	o.shows("/console/quarantine", "Nothing waits.")

	source.learnt.Store(false)
	quarantines(t, callbacks, `[11,13]`)
	o.does("/console/quarantine/redrive-all", url.Values{}, "2 stay: malformed: it is odd", "Redriven 0 of the callbacks in quarantine; 2 stay.")
	o.does("/console/quarantine/drop-all", url.Values{"source": {"zoho-webhooks"}}, "Drop 2 of the callbacks of zoho-webhooks?", "Dropped 2 of the callbacks of zoho-webhooks; 0 stay.")
	o.shows("/console/quarantine", "Nothing waits.")
}

// What comes while a question waits for an answer is neither dropped nor redriven by a yes; it is asked about afterwards.
func TestConsoleSettlesWhatItAskedAbout(t *testing.T) {
	t.Parallel()
	source := batches{&atomic.Bool{}}
	b, callbacks := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{source}})
	asked := quarantines(t, callbacks, `[3,5]`)
	o := signsIn(t, b)
	yes := o.asks("/console/quarantine/drop-all", url.Values{}, "Drop 2 of the callbacks in quarantine?")
	later := quarantines(t, callbacks, `[7,9,11]`)
	if page := o.post("/console/quarantine/drop-all", yes); !strings.Contains(page, "Dropped 2 of the callbacks in quarantine; 0 stay.") || !strings.Contains(page, "Go on with the next ones") {
		t.Errorf("dropped: %s", main(page))
	}
	if left := o.shows("/console/quarantine", later...); strings.Contains(left, asked[0]) {
		t.Errorf("left is %s", main(left))
	}
	source.learnt.Store(true)
	yes = o.asks("/console/quarantine/redrive-all", url.Values{}, "Redrive 3 of the callbacks in quarantine?")
	source.learnt.Store(false)
	last := quarantines(t, callbacks, `[13]`)
	source.learnt.Store(true)
	if page := o.post("/console/quarantine/redrive-all", yes); !strings.Contains(page, "Redriven 3 of the callbacks in quarantine; 0 stay.") {
		t.Errorf("redriven: %s", main(page))
	}
	o.shows("/console/quarantine", last...)
}
