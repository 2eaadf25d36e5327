package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/schemas"
)

var update = flag.Bool("update", false, "rewrite the events in schemas/asyncapi/examples")

// shown is an example of a schema.
type shown struct {
	schemas.Change
	data json.RawMessage
}

// again returns the change that a CRM's callback, or its list of records, becomes that holds what the example says came.
var again = map[string]func(*testing.T, shown) []ingest.Change{
	zoho.NotificationsLabel: func(t *testing.T, s shown) []ingest.Change {
		return decodedBy(t, zoho.NotificationsLabel, ingest.Callback{Path: "/zoho/notifications", Body: s.Native.Body})
	},
	zoho.WebhooksLabel: func(t *testing.T, s shown) []ingest.Change {
		cb := ingest.Callback{Path: "/zoho/webhooks/" + s.Module + "/" + s.Native.Operation, Body: s.Native.Body, Header: http.Header{"Content-Type": {"application/json"}}}
		cb.Params = map[string]string{"module": s.Module, "operation": s.Native.Operation}
		var text string
		if json.Unmarshal(s.Native.Body, &text) == nil {
			cb.Body, cb.Header = []byte(text), http.Header{"Content-Type": {"text/xml"}}
		}
		return decodedBy(t, zoho.WebhooksLabel, withQuery(t, cb, s))
	},
	bitrix24.EventsLabel: func(t *testing.T, s shown) []ingest.Change {
		return decodedBy(t, bitrix24.EventsLabel, withForm(t, ingest.Callback{Path: "/bitrix24/events"}, s))
	},
	bitrix24.WorkflowsLabel: func(t *testing.T, s shown) []ingest.Change {
		cb := ingest.Callback{Path: "/bitrix24/workflows/" + s.Native.Operation, Params: map[string]string{"operation": s.Native.Operation}}
		return decodedBy(t, bitrix24.WorkflowsLabel, withQuery(t, withForm(t, cb, s), s))
	},
	zoho.RecordsLabel: func(t *testing.T, s shown) []ingest.Change {
		api := &zoho.Client{
			HTTP: &http.Client{Transport: ingesttest.Direct(zohoListing(s))}, TokenURL: "https://accounts.zoho.com/oauth/v2/token", APIURL: "https://www.zohoapis.com",
			Version: "v8", State: ingesttest.State(), Log: slog.New(slog.DiscardHandler),
		}
		return listedBy(t, &zoho.Channels{Client: api, Account: s.Account}, s)
	},
	bitrix24.RecordsLabel: func(t *testing.T, s shown) []ingest.Change {
		var config bitrix24.Config
		c := &config.Bitrix24
		c.ClientID, c.ClientSecret, c.Portals, c.OauthURL = "local.app", "an-application-secret", bitrix24.Portals{s.Account}, "https://oauth.bitrix.info"
		client := &http.Client{Transport: ingesttest.Direct(bitrix24Listing(s))}
		app, err := bitrix24.NewApplication(config, "", ingesttest.State(), client, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := app.Prove(t.Context(), "ONAPPINSTALL", bitrix24.Installation{MemberID: s.Account, ApplicationToken: "a-token", RefreshToken: "a-refresh-token"}); err != nil {
			t.Fatal(err)
		}
		return listedBy(t, app.Records, s)
	},
}

// Every example of every schema is what the bridge makes of a callback, or of a row of a list, that holds what the example
// says came. The first of each, as a whole event, stands in the AsyncAPI document.
func TestExamplesAreReal(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	mapping, err := newMapping(config.Settings{}, nil, opened(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	for family := range set {
		for i, example := range examplesOf(t, set, family) {
			changes := again[family](t, example)
			if len(changes) != 1 {
				t.Errorf("%s: example %d becomes %d changes", family, i, len(changes))
				continue
			}
			events, err := mapping.Events(changes[0])
			if err != nil || len(events) != 1 {
				t.Fatalf("%s: example %d becomes %d events: %v", family, i, len(events), err)
			}
			if diff := cmp.Diff(numbered(t, example.data), numbered(t, events[0].Data())); diff != "" {
				t.Errorf("%s: example %d: %s", family, i, diff)
			}
			if i == 0 {
				isInDocument(t, family, events[0])
			}
		}
	}
}

// isInDocument holds an event against the one that the document shows of its family.
func isInDocument(t *testing.T, family string, e event.Event) {
	t.Helper()
	if len(e.ID()) == 36 {
		e.SetID("01a1ffe7-d82c-74e0-96a6-c3120620e684") // it is another one each time
	}
	var compact, want bytes.Buffer
	if err := event.WriteJson(&e, &compact); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&want, compact.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	want.WriteByte('\n')
	path := filepath.Join("../../schemas/asyncapi/examples", family+".json")
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("%s is another event (go test ./cmd/crm-bridge -run Real -update): %s", path, diff)
	}
}

// arrival is when the callbacks of examples come.
var arrival = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func opened(t *testing.T) map[string]ingest.Source {
	t.Helper()
	sources, err := openSources(ingest.Setup{Env: (&config.Environment{}).Load, MadeSecret: func(string) (string, error) { return "", nil }})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

func decodedBy(t *testing.T, label string, cb ingest.Callback) []ingest.Change {
	t.Helper()
	cb.Source, cb.At, cb.Method = label, arrival, http.MethodPost
	changes, err := opened(t)[label].Decode(cb)
	if err != nil {
		t.Fatalf("%s: %v\n%s", label, err, cb.Body)
	}
	return changes
}

func listedBy(t *testing.T, lister ingest.Lister, s shown) []ingest.Change {
	t.Helper()
	query := ingest.Query{Account: s.Account, Module: s.Module, Since: s.OccurredAt.Add(-time.Minute), Until: s.OccurredAt.Add(time.Minute), Origin: ingest.Backfill}
	var all []ingest.Change
	for page, err := range lister.Changed(t.Context(), query) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Changes...)
	}
	return all
}

// withQuery adds the parameters of the URL.
func withQuery(t *testing.T, cb ingest.Callback, s shown) ingest.Callback {
	t.Helper()
	cb.Query = url.Values{}
	var params map[string]string
	if s.Native.Query != nil {
		if err := json.Unmarshal(s.Native.Query, &params); err != nil {
			t.Fatal(err)
		}
	}
	var pairs []string
	for name, value := range params {
		cb.Query.Set(name, value)
		pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	cb.RawQuery = strings.Join(pairs, "&")
	return cb
}

// withForm adds the body, as a form where its names are those of one.
func withForm(t *testing.T, cb ingest.Callback, s shown) ingest.Callback {
	t.Helper()
	cb.Body, cb.Header = s.Native.Body, http.Header{"Content-Type": {"application/json"}}
	if !bytes.Contains(s.Native.Body, []byte("[")) || !bytes.Contains(s.Native.Body, []byte(`]":`)) {
		return cb
	}
	var params map[string]string
	if err := json.Unmarshal(s.Native.Body, &params); err != nil {
		t.Fatal(err)
	}
	form := url.Values{}
	for name, value := range params {
		form.Set(name, value)
	}
	cb.Body, cb.Header = []byte(form.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return cb
}

// zohoListing is Zoho's API with one record.
func zohoListing(s shown) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		deleted := strings.HasSuffix(r.URL.Path, "/deleted")
		switch {
		case strings.HasSuffix(r.URL.Path, "/token"):
			_, _ = io.WriteString(w, `{"access_token":"an-access-token","expires_in":3600,"token_type":"Bearer"}`)
		case strings.HasSuffix(r.URL.Path, "/fields"):
			_, _ = io.WriteString(w, `{"fields":[{"api_name":"id"}]}`)
		case deleted == (s.Operation == schemas.Delete):
			_, _ = fmt.Fprintf(w, `{"data":[%s],"info":{"more_records":false}}`, s.Native.Body)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
}

// bitrix24Listing is Bitrix24's OAuth server, and the API of a portal with one record.
func bitrix24Listing(s shown) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch method := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; {
		case strings.HasPrefix(r.URL.Path, "/oauth/"):
			_, _ = fmt.Fprintf(w, `{"access_token":"an-access-token","refresh_token":"the-next-refresh-token","expires_in":3600,"member_id":%q,"domain":"oauth.bitrix.info",
				"client_endpoint":"https://some-domain.bitrix24.com/rest/","server_endpoint":"https://oauth.bitrix.info/rest/","scope":"crm","status":"L"}`, s.Account)
		case strings.HasPrefix(method, "crm.type.list"):
			_, _ = io.WriteString(w, `{"result":{"types":[{"id":1,"entityTypeId":1032,"title":"A smart process"}]},"total":1}`)
		case strings.HasPrefix(method, "crm.activity.list"):
			_, _ = fmt.Fprintf(w, `{"result":[%s],"total":0}`, s.Native.Body)
		default:
			body, _ := io.ReadAll(r.Body)
			if row := string(s.Native.Body); s.Module == "DynamicItem" && !strings.Contains(string(body), "1032") || row == "" {
				_, _ = io.WriteString(w, `{"result":{"items":[]},"total":0}`)
				return
			}
			_, _ = fmt.Fprintf(w, `{"result":{"items":[%s]},"total":0}`, s.Native.Body)
		}
	})
}

func examplesOf(t *testing.T, set schemas.Set, family string) []shown {
	t.Helper()
	_, raw, _ := set.Document(schemas.Path(family))
	var document struct{ Examples []json.RawMessage }
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	all := make([]shown, len(document.Examples))
	for i, data := range document.Examples {
		all[i].data = data
		if err := json.Unmarshal(data, &all[i].Change); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// numbered is a JSON text as values, with every digit of its numbers.
func numbered(t *testing.T, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
