package pipedrive_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive/pipedrivetest"
)

// changed reads all pages of a query, and returns what was listed, such as "edit 4711", in order.
func changed(t *testing.T, crm http.Handler, q ingest.Query) (listed []string, changes []ingest.Change, last error) {
	t.Helper()
	for page, err := range (&pipedrive.Records{Client: clientOf(crm)}).Changed(t.Context(), q) {
		last = err
		for _, change := range page.Changes {
			listed = append(listed, change.Operation+" "+change.IDs[0])
			changes = append(changes, change)
		}
	}
	slices.Sort(listed)
	return listed, changes, last
}

func create(t *testing.T, crm *pipedrivetest.CRM, entity string) string {
	t.Helper()
	id, err := crm.Create(entity, map[string]any{"title": "T", "value": json.Number("12500.50")})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// update changes a record, and lets a minute pass.
func update(t *testing.T, crm *pipedrivetest.CRM, entity, id string) {
	t.Helper()
	if err := crm.Update(entity, id, map[string]any{"title": "U"}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
}

// A span of each module lists what was created and changed in it, in pages, also archived and deleted deals and archived leads; a repair
// lists what changed again after it, too.
func TestEveryModuleIsListed(t *testing.T) {
	for _, module := range []string{"deal", "person", "organization", "activity", "product", "lead"} {
		synctest.Test(t, func(t *testing.T) {
			crm := company()
			crm.PageSize = 2
			var want, later []string
			old := create(t, crm, module)
			edited := create(t, crm, module)
			time.Sleep(time.Hour)
			since := time.Now()
			update(t, crm, module, edited)
			want = append(want, "edit "+edited)
			for range 4 {
				want = append(want, "create "+create(t, crm, module))
			}
			if module == "deal" || module == "lead" {
				archived := create(t, crm, module)
				crm.Archive(module, archived)
				want = append(want, "create "+archived)
			}
			if module == "deal" {
				deleted := create(t, crm, module)
				if err := crm.Delete(module, deleted); err != nil {
					t.Fatal(err)
				}
				want = append(want, "delete "+deleted)
			}
			time.Sleep(time.Minute)
			until := time.Now()
			update(t, crm, module, old)
			if err := crm.Delete(module, create(t, crm, module)); err != nil { // after the span
				t.Fatal(err)
			}
			later = append(slices.Clone(want), "edit "+old)
			slices.Sort(want)
			slices.Sort(later)
			q := ingest.Query{Account: "10203040", Module: module, Since: since, Until: until, Origin: ingest.Backfill}
			got, changes, err := changed(t, crm, q)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s lists %s, not %s: %v", module, got, want, err)
			}
			for _, change := range changes {
				if _, has := change.Values[change.IDs[0]]; has == (change.Operation == "delete") || change.Account != "10203040" || change.Mark == "" || change.OccurredAt.IsZero() {
					t.Errorf("change %+v", change)
				}
				if text := string(change.NativeBody); !strings.Contains(text, `"value":12500.50`) {
					t.Errorf("digits are lost: %s", text)
				}
			}
			q.Origin = ingest.Repair
			if got, _, err := changed(t, crm, q); err != nil || !slices.Equal(got, later) {
				t.Errorf("a repair of %s lists %s, not %s: %v", module, got, later, err)
			}
		})
	}
}

// Archived leads, which have no span, are read from the one that changed last, and no further than the span.
func TestArchivedLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := company()
		crm.PageSize = 2
		for range 20 {
			crm.Archive("lead", create(t, crm, "lead"))
		}
		time.Sleep(time.Hour)
		since := time.Now()
		late := create(t, crm, "lead")
		crm.Archive("lead", late)
		got, _, err := changed(t, crm, ingest.Query{Account: "10203040", Module: "lead", Since: since, Until: since.Add(time.Hour)})
		if requests := crm.Requests(); err != nil || !slices.Equal(got, []string{"create " + late}) || len(requests) > 5 {
			t.Errorf("%s: %v, %d requests", got, err, len(requests))
		}
	})
}

// The cursor of a page leads to the next one, in another process; one that Pipedrive does not accept any more begins again.
func TestListsResume(t *testing.T) {
	crm := company()
	crm.PageSize = 2
	for range 5 {
		create(t, crm, "deal")
	}
	q := ingest.Query{Module: "deal", Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour), Origin: ingest.Backfill}
	total := 0
	for range 10 {
		for page, err := range (&pipedrive.Records{Client: clientOf(crm)}).Changed(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			total += len(page.Changes)
			q.Cursor = page.Cursor
			break
		}
	}
	if total != 5 {
		t.Errorf("%d records", total)
	}
	for _, cursor := range []string{`{"cursor":"expired"}`, "planted", `{"list":-1}`} {
		q.Cursor = cursor
		if _, _, err := changed(t, crm, q); !errors.Is(err, ingest.ErrCursor) {
			t.Errorf("cursor %s: %v", cursor, err)
		}
	}
}

// A list whose pages do not move on is an error, not a list without end.
func TestListsThatDoNotMove(t *testing.T) {
	for module, answer := range map[string]string{
		"lead":   `{"success":true,"data":[{"id":"a","update_time":"2026-11-20 09:15:02"}],"additional_data":{"pagination":{"start":0,"more_items_in_collection":true}}}`,
		"person": `{"success":true,"data":[{"id":1,"update_time":"2026-11-20T09:15:02Z"}],"additional_data":{"next_cursor":"same"}}`,
	} {
		asked := 0
		_, _, err := changed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch asked++; {
			case strings.HasSuffix(r.URL.Path, "/me"):
				_, _ = io.WriteString(w, `{"success":true,"data":{"company_id":10203040}}`)
			case strings.HasSuffix(r.URL.Path, "/webhooks"):
				_, _ = io.WriteString(w, `{"success":true,"data":[]}`)
			case asked > 10:
				w.WriteHeader(http.StatusUnauthorized)
			default:
				_, _ = io.WriteString(w, answer)
			}
		}), ingest.Query{Module: module})
		if err == nil || !strings.Contains(err.Error(), "does not go on") {
			t.Errorf("%s: %v after %d requests", module, err, asked)
		}
	}
}

// A module that has no list says which have one.
func TestNoList(t *testing.T) {
	_, _, err := changed(t, company(), ingest.Query{Module: "note"})
	if !errors.Is(err, ingest.ErrNoList) || !strings.Contains(err.Error(), "deal, person, organization, activity, product, lead") {
		t.Errorf("%v", err)
	}
}

// The records of another company than the one that is asked for are not listed as its own.
func TestListOfAnotherCompany(t *testing.T) {
	if _, _, err := changed(t, company(), ingest.Query{Account: "7", Module: "deal"}); err == nil || !strings.Contains(err.Error(), "of company 10203040, not 7") {
		t.Errorf("%v", err)
	}
}

// A burst limit is waited out, also by the next call; where the wait is long, or the daily budget is used up, nothing is asked and the error
// says so.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := company()
		create(t, crm, "person")
		q := ingest.Query{Module: "person", Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}
		crm.Refuse(pipedrivetest.Refusal{}, pipedrivetest.Refusal{}, pipedrivetest.TooMany)
		began := time.Now()
		if got, _, err := changed(t, crm, q); err != nil || len(got) != 1 || time.Since(began) < 2*time.Second || time.Since(began) > 10*time.Second {
			t.Errorf("%v: %s after %s", err, got, time.Since(began))
		}
	})
	synctest.Test(t, func(t *testing.T) { // as milliseconds since 1970
		crm := company()
		reset := http.Header{"X-Ratelimit-Reset": {fmt.Sprint(time.Now().Add(5 * time.Second).UnixMilli())}}
		crm.Refuse(pipedrivetest.Refusal{Status: http.StatusTooManyRequests, Header: reset, Body: `{"success":false}`})
		began := time.Now()
		if err := clientOf(crm).Reach(t.Context()); err != nil || time.Since(began) < 5*time.Second || time.Since(began) > 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
	for says, refusal := range map[string]pipedrivetest.Refusal{
		"daily API budget of the company is used up": pipedrivetest.Daily,
		"after too many requests":                    pipedrivetest.Blocked,
		"nothing is asked until": {
			Status: http.StatusTooManyRequests, Header: http.Header{"X-Ratelimit-Reset": {fmt.Sprint(time.Now().AddDate(1, 0, 0).Unix())}}, Body: `{"success":false}`,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			crm := company()
			records := &pipedrive.Records{Client: clientOf(crm)}
			crm.Refuse(refusal)
			list := func() (last error) {
				for _, err := range records.Changed(t.Context(), ingest.Query{Module: "person"}) {
					last = err
				}
				return last
			}
			if err := list(); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, not %s", err, says)
			}
			asked := len(crm.Requests())
			if err := list(); err == nil || !strings.Contains(err.Error(), "nothing is asked until") || asked != 1 || len(crm.Requests()) != 0 {
				t.Errorf("asked again: %v, after %d requests", err, asked)
			}
		})
	}
}

// A server that repeats what it was sent brings neither the token nor a password into an error.
func TestErrorsShowNoSecret(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"success":false,"error":"token %s is bad","error_info":{"hint":"%s"}}`, r.Header.Get("X-Api-Token"), password)
	})
	client := clientOf(echo)
	err := client.Reach(t.Context())
	if err == nil || strings.Contains(err.Error(), apiToken) || strings.Contains(err.Error(), password) || !strings.Contains(err.Error(), "token *** is bad") {
		t.Errorf("%v", err)
	}
	crm := company()
	client = clientOf(crm)
	client.Token = "a-wrong-token-of-this-test"
	if err = client.Reach(t.Context()); err == nil || !strings.Contains(err.Error(), "check BRIDGE_PIPEDRIVE_API_TOKEN") || strings.Contains(err.Error(), client.Token) {
		t.Errorf("%v", err)
	}
}

// Whatever the API answers, no call panics, and no row becomes a change without an id.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"success":true,"data":[{"id":1,"company_id":1,"update_time":"2026-11-20T09:15:02Z"}],"additional_data":{"next_cursor":"x"}}`,
		`{"success":true,"data":null,"additional_data":{"pagination":{"more_items_in_collection":false}}}`,
		`{"success":false,"error":{"a":[1]},"error_info":7}`, `[]`, ``, `{"data":[{"id":{}}]}`, `{"data":[null]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		asked := 0
		client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked > 5 {
				w.WriteHeader(http.StatusNotFound)
			}
			_, _ = w.Write([]byte(body))
		}))
		s := subscriber(t, http.NotFoundHandler(), "deal.all")
		s.Client = client
		_, _ = s.Watch(t.Context(), ingesttest.State(), nil)
		asked = 0
		for page, err := range (&pipedrive.Records{Client: client}).Changed(t.Context(), ingest.Query{Module: "lead"}) {
			for _, change := range page.Changes {
				if err != nil || ingest.CheckID(change.IDs[0]) != nil {
					t.Errorf("%v: %+v", err, change)
				}
			}
		}
	})
}
