package zoho

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

func answerOf(t testing.TB, name string, status int) answer {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return answer{Answer: rest.Answer{Status: status, Body: body}}
}

// The answer that Zoho's document shows: each module has its row, and the expiry is that row's.
func TestReadSubscribed(t *testing.T) {
	got := answerOf(t, "watch-post-response.json", 201)
	want := time.Date(2018, 2, 2, 5, 0, 0, 0, time.UTC)
	for _, module := range []string{"Solutions", "Contacts", "Price_Books"} {
		if expires, err := readSubscribed(got, wish{ID: "1000000068001", module: module}); err != nil || !expires.Equal(want) {
			t.Errorf("%s: %s, %v", module, expires, err)
		}
	}
	for _, w := range []wish{{ID: "1000000068001", module: "Deals"}, {ID: "1000000068002", module: "Contacts"}} {
		if _, err := readSubscribed(got, w); err == nil {
			t.Errorf("%s of %s is taken for subscribed", w.module, w.ID)
		}
	}
	if _, err := readSubscribed(answerOf(t, "watch-not-subscribed.json", 400), wish{}); !refusedWith(err, notSubscribed) {
		t.Errorf("a dead channel: %v", err)
	}
}

// Whatever is answered, reading it does not panic, a success has an expiry, and an error is short and shows no secret.
func FuzzAnswers(f *testing.F) {
	for _, name := range []string{"watch-post-response.json", "watch-not-subscribed.json"} {
		f.Add(answerOf(f, name, 0).Body, 200)
	}
	for _, body := range []string{
		`{"watch":[{"channel_id":-9223372036854775808,"channel_expiry":"2018-02-02T10:30:00+05:30","resource_name":"Deals","events":["Deals.create","Deals.all"],"token":null,"notify_url":"https://x"}],"info":{"more_records":true}}`,
		`{"data":[{"id":"1","Modified_Time":"2018-02-02T10:30:00+05:30","Created_Time":"2018-02-02T10:30:00Z"},{"id":2,"deleted_time":"x"}],"info":{"more_records":true,"next_page_token":"t"}}`,
		`{"fields":[{"api_name":"Name"},{"api_name":"a,b"}]}`, `{"error":"planted-secret"}`, `{"access_token":"1000.a","expires_in":3600}`, `{"access_token":"a","expires_in":"1e400"}`,
		`{"code":"planted-secret","details":{"api_name":"planted-secret"},"message":"planted-secret","status":"error"}`, `null`, `[]`, "<html>\xff",
	} {
		f.Add([]byte(body), 200)
		f.Add([]byte(body), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		got := answer{Answer: rest.Answer{Status: status, Body: body}, secrets: []string{"planted-secret"}}
		check := func(err error) bool {
			if err != nil && (strings.Contains(err.Error(), "planted-secret") || len(err.Error()) > 1000) {
				t.Errorf("shows too much: %s", err)
			}
			return err == nil
		}
		if expires, err := readSubscribed(got, wish{ID: "1000000068001", module: "Contacts"}); check(err) && expires.IsZero() {
			t.Error("a success without an expiry")
		}
		_, _, err := readChannels(got)
		check(err)
		_, err = readFields(got)
		check(err)
		server := accounts{clientSecret: "planted-secret"}
		if grant, err := server.read(got.Answer, time.Unix(0, 0)); check(err) && (grant.AccessToken == "" || grant.Expires.After(time.Unix(24*3600, 0))) {
			t.Errorf("token %q until %s", grant.AccessToken, grant.Expires)
		}
		rows, _, err := readRecords(got)
		check(err)
		for _, raw := range rows {
			r, err := readRecord(raw, status%2 == 0)
			if !check(err) {
				continue
			}
			if change, ok := r.change(ingest.Query{Module: "Deals", Until: time.Now()}, "default", "/Deals", time.Now()); ok && (!json.Valid(change.NativeBody) || change.IDs[0] == "") {
				t.Errorf("change: %+v", change)
			}
		}
	})
}
