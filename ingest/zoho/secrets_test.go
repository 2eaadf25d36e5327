package zoho_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

// withCredential returns webhooks that carry a credential under a name, in each way in which one may be sent.
func withCredential(name string) []ingesttest.Genuine {
	var all []ingesttest.Genuine
	add := func(how, query, contentType, body string, secrets ...string) {
		all = append(all, ingesttest.Genuine{
			Name: how + ", " + name, Method: "POST", Target: "/zoho/webhooks/Deals/closed?id=1" + query, Body: []byte(body), Secrets: append([]string{webhookSecret}, secrets...),
			Header: http.Header{"Content-Type": {contentType}, "X-Webhook-Secret": {webhookSecret}},
		})
	}
	pair := name + "=SUPERSECone&" + name + "=SUPERSEC+two"
	const long = "SUPERSEC-4-and-more" // shaped like a token, so masked elsewhere too
	add("query", "&"+pair, "", "", "SUPERSECone", "SUPERSEC two", "SUPERSEC+two")
	add("form", "", form, pair+"&note=x", "SUPERSECone", "SUPERSEC two", "SUPERSEC+two")
	add("form as text", "", "text/plain", "note=x&"+pair, "SUPERSECone", "SUPERSEC+two")
	add("multipart", "", "multipart/form-data; boundary=xyz", "--xyz\r\nContent-Disposition: form-data; name=\""+name+"\"\r\n\r\nSUPERSECone\r\n--xyz--\r\n", "SUPERSECone")
	add("JSON", "&"+pair, "application/json", `[{"`+name+`":"SUPERSECthree","`+strings.ToUpper(name)+`":{"a":["`+long+`",12345]},"note":"see `+long+`"}]`, "SUPERSECone", "SUPERSECthree", long)
	add("XML", "", "text/xml", `<a `+name+`="SUPERSECone"><b>1</b><`+name+`>SUPERSEC two</`+name+`><`+name+` x="y"><![CDATA[SUPERSECthree]]></`+name+`><`+name+`>`+long+`</`+name+`><n>`+long+`</n></a>`,
		"SUPERSECone", "SUPERSEC two", "SUPERSECthree", long)
	add("XML that does not convert", "", "text/xml", `<?pi?><a>text <`+name+`><![CDATA[`+long+`]]></`+name+`> `+long+` <x:`+name+`>SUPERSEC&#32;two</x:`+name+`><`+name+`>SUPERSECthree`, "SUPERSEC&#32;two", "SUPERSECthree", long)
	add("text", "", "text/plain", "A deal was closed.\n"+name+": SUPERSECone\nsee https://x.example/?"+strings.ToLower(name)+"=SUPERSECtwo", "SUPERSECone", "SUPERSECtwo")
	add("JSON that is broken", "", "text/plain", `{"note":1,"`+name+`" : "SUPERSEC\"one","`+name+`":[],}`, "SUPERSEC", "one")
	return all
}

// Parameters in which administrators send tokens are not kept, in whatever way the webhook is sent, and their values are
// masked elsewhere.
func TestWebhookCredentials(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and on one goroutine")
	}
	s := webhooks()
	m := webhookMapping(t, s)
	ingesttest.Callbacks(t, &ingest.CRM{Sources: []ingest.Source{s}}, append(withCredential("Api_Key"), withCredential("token")...)...)
	for _, name := range []string{"authtoken", "auth_token", "apikey", "password", "Token", "AUTHTOKEN", "aPiKeY", "secret", "SECRET"} {
		for _, g := range withCredential(name) {
			_, query, _ := strings.Cut(g.Target, "?")
			cb := webhook(g.Method, g.Header.Get("Content-Type"), query, string(g.Body))
			changes, err := s.Decode(cb)
			if err != nil {
				t.Fatal(err)
			}
			events, err := encoder(m)(changes[0])
			if err != nil {
				t.Fatal(err)
			}
			kept, err := m.Redact.Quarantine("id", cb, errors.New("a test"))
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range g.Secrets {
				for _, out := range append(events, kept) {
					if strings.Contains(string(out), secret) {
						t.Errorf("%s shows %s: %s", g.Name, secret, out)
					}
				}
			}
		}
	}
}

// A parameter of such a name that identifies the record or the delivery stays, in that very spelling alone; so do other names,
// and what stands deeper.
func TestWebhookParametersThatStay(t *testing.T) {
	s := webhooks()
	s.IDParams, s.IdentityParams = []string{"Token"}, []string{"password", "Token"}
	m := webhookMapping(t, s)
	for _, test := range []struct{ contentType, query, body, native string }{
		{form, "", "Token=B-12&token=SUPERSECone&password=at-noon&tokens=2&my_token=x", `"body":{"Token":"B-12","password":"at-noon","tokens":"2","my_token":"x"}`},
		{"application/json", "Token=B-12&TOKEN=x", `{"deal":{"token":"kept","api_key":1},"apikey":"SUPERSECone","Token":"B-12","password":null}`, `"body":{"deal":{"token":"kept","api_key":1},"Token":"B-12","password":null},"query":{"Token":"B-12"}`},
		{"text/xml", "", `<d apikey="SUPERSECone"><Token>B-12</Token><token>SUPERSECone</token><a><token>deep</token></a></d>`, `"body":"<d apikey=\"***\"><Token>B-12</Token><token>***</token><a><token>***</token></a></d>","xml":{"d":{"Token":"B-12","a":{"token":"deep"}}}`},
	} {
		cb := webhook("POST", test.contentType, test.query, test.body)
		changes, err := s.Decode(cb)
		if err != nil {
			t.Fatal(err)
		}
		events, err := m.Events(changes[0])
		if err != nil || events[0].Subject != "B-12" {
			t.Fatalf("%v: subject %s", err, events[0].Subject)
		}
		var data struct{ Native json.RawMessage }
		if err := json.Unmarshal(events[0].Data, &data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(`{"operation":"closed",`+test.native+`}`, string(data.Native)); diff != "" {
			t.Error(diff)
		}
		kept, err := m.Redact.Quarantine("id", cb, errors.New("a test"))
		if err != nil {
			t.Fatal(err)
		}
		var q transform.Quarantined
		if err := json.Unmarshal(kept, &q); err != nil {
			t.Fatal(err)
		}
		if again, err := s.Decode(q.Callback()); err != nil || again[0].Mark != changes[0].Mark || !cmp.Equal(again[0].IDs, changes[0].IDs) {
			t.Errorf("in quarantine it becomes %s: %v", kept, err)
		}
	}
}

// A token or a proof that is derived for the channel leaves nowhere, also where the callback proved itself by another token.
func TestDerivedSecretsStayInside(t *testing.T) {
	const secret, channel = "a token secret, of some length", "1000000068001"
	s := &zoho.Notifications{Account: "default", Tokens: ingest.Tokens{channel: {"a-configured-token"}}, TokenSecrets: ingest.SecretList{"an older token secret", secret}}
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	m := &transform.Mapping{Schemas: set, Redact: transform.NewRedactor(map[string]ingest.Secrets{zoho.NotificationsLabel: s.Secrets()})}
	token, proof, older := zoho.ChannelToken(secret, channel), zoho.ChannelProof(secret, channel), zoho.ChannelProof("an older token secret", channel)
	elsewhere := zoho.ChannelProof(secret, "77")
	encoded := strings.NewReplacer("-", "%2d", "_", "%5f").Replace(url.QueryEscape(token))
	body := `{"module":"Deals","operation":"update","ids":["1"],"channel_id":"` + channel + `","token":"a-configured-token","server_time":1718115953625,
		"resource_uri":"https://www.zohoapis.com/crm/v2/Deals/` + token + `?x=` + encoded + `#` + older + `","auth_token":"SUPERSECtop",
		"query_params":{"channel":"77","proof":"` + elsewhere + `","x":"` + proof + `","y":"` + elsewhere + `","zgid_sid":"SUPERSECsid","REFRESH_ID":"SUPERSECref"},
		"affected_fields":[{"1":["` + token + `"],"` + older + `":["Stage"]}],"affected_values":[{"record_id":"1","values":{"` + proof + `":"` + encoded + `","Token":"kept"}}]}`
	ingesttest.Callbacks(t, &ingest.CRM{Sources: []ingest.Source{s}}, ingesttest.Genuine{
		Name: "everywhere", Method: "POST", Target: "/zoho/notifications?channel=" + channel + "&proof=" + proof, Body: []byte(body),
		Secrets: []string{"a-configured-token", token, proof, older, elsewhere, encoded, "SUPERSECtop", "SUPERSECsid", "SUPERSECref"},
	})
	for _, broken := range []string{`"ids":[""]`, `"ids":["` + token + `"]`, `"ids":["` + proof + `"]`, `"ids":["1","1000.0123456789abcdef0123.0123456789abcdef0123"]`} {
		cb := ingest.Callback{Source: zoho.NotificationsLabel, Method: "POST", Path: "/zoho/notifications", Body: []byte(strings.Replace(body, `"ids":["1"]`, broken, 1))}
		changes, err := s.Decode(cb)
		if err == nil {
			_, err = m.Events(changes[0])
		}
		if !errors.Is(err, ingest.ErrMalformed) {
			t.Fatalf("%s: %v", broken, err)
		}
		kept, failed := m.Redact.Quarantine("id", cb, err)
		if failed != nil {
			t.Fatal(failed)
		}
		for _, secret := range []string{token, proof, older, elsewhere, encoded, "1000.0123", "SUPERSEC"} {
			if strings.Contains(string(kept)+err.Error(), secret) {
				t.Errorf("%s: %v; kept is %s", broken, err, kept)
			}
		}
		var q transform.Quarantined
		if err := json.Unmarshal(kept, &q); err != nil {
			t.Fatal(err)
		}
		if changes, err = s.Decode(q.Callback()); err == nil {
			_, err = m.Events(changes[0])
		}
		if !errors.Is(err, ingest.ErrMalformed) {
			t.Errorf("%s: the mask became a record: %v", broken, err)
		}
	}
}

// The error of a forgery names its channel, but not a secret that stands in its place.
func TestForgeryShowsNoSecret(t *testing.T) {
	const known, secret = "a-token-that-is-known", "a-secret-of-all-channels"
	for _, n := range []*zoho.Notifications{
		{Tokens: ingest.Tokens{"1": {known}}},
		{Tokens: ingest.Tokens{"1": {known}}, TokenSecrets: ingest.SecretList{secret}},
	} {
		for _, channel := range []string{"1", known, "x" + known, known + "x", secret} {
			body, err := json.Marshal(map[string]string{"token": "forged", "channel_id": channel})
			if err != nil {
				t.Fatal(err)
			}
			err = n.Verify(t.Context(), ingest.Callback{Body: body})
			shown := ingest.Show(err, []string{known, secret})
			if text := err.Error() + shown; !errors.Is(err, ingest.ErrForged) || strings.Contains(text, known) || strings.Contains(text, secret) {
				t.Errorf("channel %s: %v, %s", channel, err, shown)
			}
			if channel == "1" && !strings.Contains(shown, `"1"`) {
				t.Errorf("the channel is not named: %s", shown)
			}
		}
	}
}
