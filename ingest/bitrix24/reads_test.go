package bitrix24_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24/bitrix24test"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
)

// overHTTP has a world's portal reached over HTTP.
func overHTTP(t *testing.T, w *world) {
	server := httptest.NewServer(w.crm)
	t.Cleanup(server.Close)
	w.app.Client.HTTP = &http.Client{Transport: toServer{strings.TrimPrefix(server.URL, "http://"), server.Client().Transport}}
	w.app.Client.Rate = 1000
}

// toServer takes requests to a server, whatever host they name.
type toServer struct {
	host string
	by   http.RoundTripper
}

func (s toServer) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Host = s.host
	return s.by.RoundTrip(request)
}

// Records of every module are read with every digit, whatever their entity type; what was deleted, or never existed, is not there.
func TestRead(t *testing.T) {
	for module, entityType := range map[string]int{
		"Lead": 1, "Deal": 2, "Contact": 3, "Company": 4, "Quote": 7, "Activity": bitrix24test.ActivityType, "DynamicItem": 1032,
	} {
		t.Run(module, func(t *testing.T) {
			w := installed(t, "", false)
			overHTTP(t, w)
			for id := range 3 {
				w.portal.Put(entityType, id+7, map[string]any{"opportunity": json.Number("12345678901234567890.10")})
			}
			w.portal.Delete(entityType, 8)
			prefix, wrong := "", "../x"
			if module == "DynamicItem" {
				prefix, wrong = "1032-", "7"
			}
			found, err := w.app.Read(t.Context(), member, module, []string{prefix + "7", prefix + "8", prefix + "9", prefix + "77", wrong})
			if err != nil || len(found.Records) != 2 || len(found.Refused) != 1 || found.Refused[wrong] == nil {
				t.Fatalf("found %+v: %v", found, err)
			}
			record := found.Records[prefix+"7"]
			if record.ID != prefix+"7" || record.ChangedBy != "1" || time.Since(record.ModifiedAt) > time.Minute || !strings.Contains(string(record.Values), "12345678901234567890.10") {
				t.Errorf("%+v %s", record, record.Values)
			}
			if w.crm.Calls("batch") != 1 {
				t.Errorf("%d batches", w.crm.Calls("batch"))
			}
		})
	}
}

// A hundred records take two batches. Items of several types are told apart by their ids.
func TestReadMany(t *testing.T) {
	w := installed(t, "", false)
	overHTTP(t, w)
	var ids []string
	for i := range 50 {
		for _, entityType := range []int{31, 1032} {
			w.portal.Put(entityType, i+1, map[string]any{"title": fmt.Sprint(entityType)})
			ids = append(ids, fmt.Sprintf("%d-%d", entityType, i+1))
		}
	}
	found, err := w.app.Read(t.Context(), member, "DynamicItem", ids)
	if err != nil || len(found.Records) != 100 || w.crm.Calls("batch") != 2 {
		t.Fatalf("found %d in %d batches: %v", len(found.Records), w.crm.Calls("batch"), err)
	}
	for id, record := range found.Records {
		if entityType, _, _ := strings.Cut(id, "-"); !strings.Contains(string(record.Values), `"title":"`+entityType+`"`) {
			t.Errorf("%s: %s", id, record.Values)
		}
	}
}

// What no attempt changes is an ErrUnreadable that names the module, what is about one record is said of it, and the rest may be tried
// again. None shows a secret.
func TestReadErrors(t *testing.T) {
	for _, test := range []struct {
		name, account, module string
		method, code, words   string
		status                int
		lasting, refused      bool
		says                  string
	}{
		{name: "no call", module: "Requisite", lasting: true, says: "records of Requisite cannot be read"},
		{name: "another portal", account: "another", module: "Deal", lasting: true, says: "BRIDGE_BITRIX24_PORTALS does not name it"},
		{name: "no scope", module: "Deal", method: "crm.item.get", code: "insufficient_scope", lasting: true, says: "records of Deal cannot be read: crm.item.get"},
		{name: "no permission", module: "Deal", method: "batch", status: 403, code: "insufficient_scope", lasting: true, says: "give the application the permission crm"},
		{name: "no right", module: "Deal", method: "crm.item.get", code: "ACCESS_DENIED", refused: true, says: "ACCESS_DENIED"},
		{name: "no right to an activity", module: "Activity", method: "crm.activity.get", words: "Access denied.", refused: true, says: "Access denied"},
		{name: "broken", module: "Deal", method: "crm.item.get", code: "INTERNAL_SERVER_ERROR", words: "of 0123456789abcdef0123456789abcdef", says: "INTERNAL_SERVER_ERROR: of ***"},
		{name: "of another code", module: "Deal", method: "batch", status: 400, code: "ERROR_CORE", says: "batch of portal"},
	} {
		w := installed(t, "", false)
		overHTTP(t, w)
		w.portal.Put(2, 7, nil)
		w.portal.Put(bitrix24test.ActivityType, 7, nil)
		if test.method != "" {
			w.crm.Refuse(test.method, 1, max(test.status, 1), test.code, test.words)
		}
		account := member
		if test.account != "" {
			account = test.account
		}
		found, err := w.app.Read(t.Context(), account, test.module, []string{"7"})
		if test.refused && err == nil {
			err = found.Refused["7"]
		}
		if err == nil || errors.Is(err, ingest.ErrUnreadable) != test.lasting || !strings.Contains(err.Error(), test.says) || len(found.Records) > 0 || (len(found.Refused) > 0) != test.refused {
			t.Errorf("%s: %+v, %v", test.name, found, err)
		}
		if err != nil && (strings.Contains(err.Error(), "0123456789abcdef") || strings.Contains(err.Error(), w.crm.ClientSecret)) {
			t.Errorf("%s shows a secret: %v", test.name, err)
		}
	}
}

// When a limit of the portal is reached, or nearly, no record is read until it is reset.
func TestReadBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		w.crm.Skew = time.Hour
		w.portal.Put(2, 7, nil)
		read := func() error {
			_, err := w.app.Read(t.Context(), member, "Deal", []string{"7"})
			return err
		}
		spent := func(says string, wait time.Duration) {
			t.Helper()
			var spent *ingest.Spent
			if err := read(); !errors.As(err, &spent) || !strings.Contains(err.Error(), says) || time.Until(spent.Until).Round(time.Second) != wait {
				t.Errorf("%v", err)
			}
		}
		w.portal.Operating = 460
		if err := read(); err != nil {
			t.Fatal(err)
		}
		calls := w.crm.Calls("batch")
		spent("the limit of crm.item.get was reached", 4*time.Minute)
		if w.crm.Calls("batch") != calls {
			t.Error("it was called all the same")
		}
		if found, err := w.app.Read(t.Context(), member, "Activity", []string{"8"}); err != nil || len(found.Records) > 0 {
			t.Errorf("another method: %v", err)
		}
		time.Sleep(4 * time.Minute)
		w.portal.Operating = 1
		w.crm.Refuse("crm.item.get", 1, http.StatusTooManyRequests, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.")
		spent("OPERATION_TIME_LIMIT", 10*time.Minute)
		spent("the limit of crm.item.get was reached", 10*time.Minute)
		time.Sleep(10 * time.Minute)
		if err := read(); err != nil {
			t.Fatal(err)
		}
		w.crm.Refuse("batch", 8, http.StatusServiceUnavailable, "QUERY_LIMIT_EXCEEDED", "Too many requests")
		spent("QUERY_LIMIT_EXCEEDED", time.Minute)
		time.Sleep(time.Minute)
		if err := read(); err != nil {
			t.Fatal(err)
		}
	})
}

// While backfills read, a record that is waited for comes next.
func TestReadBeforeBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		w.portal.Put(2, 7, nil)
		w.crm.Delay = time.Second
		var all sync.WaitGroup
		for range 60 {
			all.Go(func() {
				for _, err := range w.app.Changed(t.Context(), ingest.Query{Module: "Deal", Origin: ingest.Backfill}) {
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(4500 * time.Millisecond)
		began := time.Now()
		if _, err := w.app.Read(t.Context(), member, "Deal", []string{"7"}); err != nil || time.Since(began) > 3*time.Second {
			t.Errorf("took %s: %v", time.Since(began), err)
		}
		all.Wait()
	})
}

// A dynamic item is named by its type too, as its callback or its row writes it. Other ids stay as they are.
func TestRecordID(t *testing.T) {
	crm, err := bitrix24.Open(configured())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ module, values, want string }{
		{"DynamicItem", `{"ENTITY_TYPE_ID":"1032"}`, "1032-5"},
		{"DynamicItem", `{"id":5,"entityTypeId":31}`, "31-5"},
		{"DynamicItem", ``, "5"},
		{"Deal", `{"ENTITY_TYPE_ID":"2"}`, "5"},
	} {
		if got := crm.RecordID(test.module, "5", json.RawMessage(test.values)); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

// The modules whose records are kept are those that are named, or all that are subscribed and can be read. What is missing is said by name.
func TestOpenRecords(t *testing.T) {
	for _, test := range []struct{ records, events, client, want, says string }{
		{"", "Deal.all", "id", "", ""},
		{"deal,Contact,DynamicItem", "", "id", "Deal Contact DynamicItem", ""},
		{"all", "Deal.edit,Requisite.all,DynamicItem.all", "id", "Deal DynamicItem", ""},
		{"all", "", "id", "", `BRIDGE_BITRIX24_RECORDS: "all" stands for the modules of BRIDGE_BITRIX24_EVENTS`},
		{"Requisite", "", "id", "", "BRIDGE_BITRIX24_RECORDS: the API reads records of Lead, Deal"},
		{"Deal", "", "", "", "BRIDGE_BITRIX24_CLIENT_ID and BRIDGE_BITRIX24_CLIENT_SECRET belong together"},
	} {
		crm, err := bitrix24.Open(ingest.Setup{
			Env: func(into any) error {
				config := &into.(*bitrix24.Config).Bitrix24
				config.ClientID, config.ClientSecret = test.client, test.client
				if test.client != "" {
					config.Portals = ingest.AccountIDs{member}
				}
				if err := config.Records.Decode(test.records); err != nil {
					return err
				}
				if test.events == "" {
					return nil
				}
				return config.Events.Decode(test.events)
			},
			MadeSecret: func(string) (string, error) { return "", nil }, PublicURLs: []string{bridgeURL}, State: ingesttest.State(),
		})
		if test.says != "" {
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		if err != nil || !slices.Equal(crm.KeptModules, strings.Fields(test.want)) || crm.Reader == nil {
			t.Errorf("%+v: %+v, %v", test, crm, err)
		}
	}
}
