package zoho_test

import (
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
)

// special are secrets that somebody typed: a comma alone separates them.
const special = `a+b/c%d&e=f#g:h, two words; and more ,"quoted" <tag> 'x'\y,ünïcödé-sécret-ß,%41%42%43%44%45%46,тайна-и-ещё-слово`

func specialSecrets(t *testing.T) ingest.SecretList {
	t.Helper()
	var list ingest.SecretList
	if err := list.Decode(special); err != nil {
		t.Fatal(err)
	}
	want := ingest.SecretList{`a+b/c%d&e=f#g:h`, `two words; and more`, `"quoted" <tag> 'x'\y`, `ünïcödé-sécret-ß`, `%41%42%43%44%45%46`, `тайна-и-ещё-слово`}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Fatal(diff)
	}
	return list
}

// A secret of any characters proves a webhook wherever it may stand, and is gone from what is made of it.
func TestSecretsOfAnyCharacters(t *testing.T) {
	s := webhooks()
	s.Accepted = specialSecrets(t)
	m := webhookMapping(t, s)
	for _, secret := range s.Accepted {
		inJSON, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		encoded := url.QueryEscape(secret)
		inHeader, bearer := webhook("POST", form, "", "id=1"), webhook("POST", form, "", "id=1")
		inHeader.Header.Set("X-Webhook-Secret", secret)
		bearer.Header.Set("Authorization", "Bearer "+secret)
		for how, cb := range map[string]ingest.Callback{
			"query":            webhook("GET", "", "id=1&secret="+encoded+"&again="+encoded, ""),
			"query, %20":       webhook("GET", "", "id=1&secret="+strings.ReplaceAll(encoded, "+", "%20"), ""),
			"query, lower":     webhook("GET", "", "id=1&secret="+strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d").Replace(encoded), ""),
			"form":             webhook("POST", form, "", "id=1&secret="+encoded+"&note=see+"+encoded),
			"multipart":        webhook("POST", "multipart/form-data; boundary=xyz", "id=1", "--xyz\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\n"+secret+"\r\n--xyz--\r\n"),
			"JSON":             webhook("POST", "application/json", "", `{"id":"1","secret":`+string(inJSON)+`,"note":[`+string(inJSON)+`]}`),
			"XML":              webhook("POST", "text/xml", "", `<a><id>1</id><secret>`+html.EscapeString(secret)+`</secret><note>`+html.EscapeString(secret)+`</note></a>`),
			"header":           inHeader,
			"bearer in header": bearer,
		} {
			if err := s.Verify(t.Context(), cb); err != nil {
				t.Errorf("%s, %s: %v", secret, how, err)
			}
			changes, err := s.Decode(cb)
			if err != nil {
				t.Fatal(err)
			}
			out, err := encoder(m)(changes[0])
			if err != nil {
				t.Fatal(err)
			}
			kept, err := m.Redact.Quarantine("id", cb, errors.New("a test"))
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range append(out, kept) {
				for _, written := range []string{secret, encoded, strings.Trim(string(inJSON), `"`), html.EscapeString(secret)} {
					if strings.Contains(string(text), written) {
						t.Errorf("%s, %s: %s", secret, how, text)
					}
				}
			}
		}
	}
}

// The same holds for a channel's token, in which a colon may stand too.
func TestTokensOfAnyCharacters(t *testing.T) {
	var tokens ingest.Tokens
	if err := tokens.Decode(`77:a+b/c%d&e=f#g:h,77: two words; and more ,77:"quoted" <tag> 'x'\y,77:ünïcödé-sécret-ß`); err != nil {
		t.Fatal(err)
	}
	s := &zoho.Notifications{Account: "default", Tokens: tokens}
	m := mapping(t, s)
	for _, token := range []string{`a+b/c%d&e=f#g:h`, `two words; and more`, `"quoted" <tag> 'x'\y`, `ünïcödé-sécret-ß`} {
		inJSON, err := json.Marshal(token)
		if err != nil {
			t.Fatal(err)
		}
		cb := callback([]byte(`{"module":"Deals","operation":"update","ids":["1"],"channel_id":"77","token":`+string(inJSON)+`,"note":`+string(inJSON)+`}`), "")
		if err := s.Verify(t.Context(), cb); err != nil {
			t.Errorf("%s: %v", token, err)
		}
		changes, err := s.Decode(cb)
		if err != nil {
			t.Fatal(err)
		}
		events, err := m.Events(changes[0])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(events[0].Data), `"note":"***"`) {
			t.Errorf("%s: %s", token, events[0].Data)
		}
	}
}

// In record mode each event keeps of the notification, and of a webhook that names several records, what belongs to its own.
func TestRecordsKeepTheirPart(t *testing.T) {
	n, w := source(), webhooks()
	several := callback([]byte(`{"module":"Deals","operation":"update","ids":["1","2"],"channel_id":"1000000000045","token":"TOKEN_FOR_VERIFICATION_OF_1000000000045",
		"affected_fields":[{"1":["A"]},{"2":["B"]}],"affected_values":[{"record_id":"1","values":{"A":1}},{"record_id":"2","values":{"B":2}}]}`), "")
	for _, test := range []struct {
		source ingest.Source
		cb     ingest.Callback
		own    [2]string
	}{
		{n, several, [2]string{
			`{"module":"Deals","operation":"update","ids":["1"],"channel_id":"1000000000045","affected_fields":[{"1":["A"]}],"affected_values":[{"record_id":"1","values":{"A":1}}]}`,
			`{"module":"Deals","operation":"update","ids":["2"],"channel_id":"1000000000045","affected_fields":[{"2":["B"]}],"affected_values":[{"record_id":"2","values":{"B":2}}]}`,
		}},
		{w, webhook(http.MethodPost, form, "", "id=1&id=+2+&recordId=7&a=b&a=c"), [2]string{`{"id":["1"],"recordId":"7","a":["b","c"]}`, `{"id":[" 2 "],"recordId":"7","a":["b","c"]}`}},
		{w, webhook(http.MethodPost, "application/json", "", `{"id":[1,2],"a":"b"}`), [2]string{`{"id":[1],"a":"b"}`, `{"id":[2],"a":"b"}`}},
	} {
		m := mapping(t, test.source)
		m.PerRecord = true
		changes, err := test.source.Decode(test.cb)
		if err != nil {
			t.Fatal(err)
		}
		events, err := m.Events(changes[0])
		if err != nil || len(events) != 2 {
			t.Fatalf("%d events: %v", len(events), err)
		}
		for i, want := range test.own {
			var data struct {
				Native struct{ Body json.RawMessage }
			}
			if err := json.Unmarshal(events[i].Data, &data); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(data.Native.Body)); diff != "" {
				t.Error(diff)
			}
		}
	}
}
