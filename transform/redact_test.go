package transform_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/transform"
)

// Secrets are redacted by name, by value and by look; everything else stays verbatim, with every digit.
func TestRedactJSON(t *testing.T) {
	r := mapping(t).Redact
	for _, test := range []struct{ name, in, out string }{
		{"untouched, compact", ` { "a" : [ 1.0 , -0 , 1E400 , 12345678901234567890 , true , null , "x\u00e9\n" ] } `, `{"a":[1.0,-0,1E400,12345678901234567890,true,null,"x\u00e9\n"]}`},
		{"empty", `{"a":{},"b":[],"c":""}`, `{"a":{},"b":[],"c":""}`},
		{"by name, first", `{"token":"t","a":1}`, `{"a":1}`},
		{"by name, middle, last, in any case", `{"a":1,"ToKen":{"x":[1,2]},"b":2,"TOKEN":null}`, `{"a":1,"b":2}`},
		{"by name, only", `{"token":"t"}`, `{}`},
		{"by escaped name", `{"\u0074oken":"t","a":1}`, `{"a":1}`},
		{"by name, at its place only", `{"a":{"token":"kept"},"query":{"my_secret":"x","Secrets":"y","kee":"z"}}`, `{"a":{"token":"kept"},"query":{"kee":"z"}}`},
		{"through lists", `{"query":[{"secret":"x","a":1}]}`, `{"query":[{"a":1}]}`},
		{"credentials at any depth", `{"a":[{"b":{"Access_Token":"x","c":1}}]}`, `{"a":[{"b":{"c":1}}]}`},
		{"by value", `{"a":"before configured-secret after","configured-secret":1}`, `{"a":"before *** after","***":1}`},
		{"by escaped value", `{"a":"configured\u002dsecret"}`, `{"a":"***"}`},
		{"what stood under a secret name, elsewhere", `{"a":"see the-long-token","token":"the-long-token","b":["the-long-token"]}`, `{"a":"see ***","b":["***"]}`},
		{"a record's id under a secret name", `{"token":5725767000003000010,"id":5725767000003000010,"b":"5725767000003000010"}`, `{"id":5725767000003000010,"b":"5725767000003000010"}`},
		{"words under a secret name", `{"token":"Project Bluebird","d":"About Project Bluebird"}`, `{"d":"About Project Bluebird"}`},
		{"words that look like credentials", `{"a":"Bearer Telecommunications Ltd","b":"https://example.com,info@example.com","c":"Authorization: Jean-Christophe-Martin","d":"?next_page_token=5&a=1"}`, `{"a":"Bearer Telecommunications Ltd","b":"https://example.com,info@example.com","c":"Authorization: Jean-Christophe-Martin","d":"?next_page_token=5&a=1"}`},
		{"in XML", `{"a":"<r><access_token>planted</access_token><b>c</b></r>","b":"<x>tok&amp;en-wi&#34;th</x>"}`, `{"a":"<r><access_token>***</access_token><b>c</b></r>","b":"<x>***</x>"}`},
		{"a found secret that may be any word", `{"token":"Contacts","a":"Contacts"}`, `{"a":"Contacts"}`},
		{"a short configured secret, as a word of its own", `{"a":"x?t=tok-en&y","b":"atok-enb tok-en","c":"tok-en"}`, `{"a":"x?t=***&y","b":"atok-enb ***","c":"***"}`},
		{"a secret that begins with another", `{"a":"configured-secret-2"}`, `{"a":"***"}`},
		{"a record's own fields", `{"rows":[{"values":{"Token":"B-12","Authorization":"granted","a":"configured-secret"}}],"token":"x"}`, `{"rows":[{"values":{"Token":"B-12","Authorization":"granted","a":"***"}}]}`},
		{"names that sound like secrets", `{"query":{"zapikey":"1","X-Api-Key":"2","pwd":"3","auth":"4","key":"5","key1":"6","author":"7"}}`, `{"query":{"key1":"6","author":"7"}}`},
		{"parameters by look", `{"u":"token=qqq&x=1&my_secret=zzz"}`, `{"u":"token=***&x=1&my_secret=zzz"}`},
		{"words that only hold such a name", `{"note":"waterproof=yes, 100% proof=whisky"}`, `{"note":"waterproof=yes, 100% proof=whisky"}`},
		{"a header in text", `{"note":"Authorization: Basic dXNlcg=="}`, `{"note":"Authorization: ***"}`},
		{"behind a byte order mark", "\ufeff" + `{"token":"t","a":1}`, `{"a":1}`},
		{"a short token is no reason to spoil data", `{"token":"12","a":"512 x 12","b":12}`, `{"a":"512 x 12","b":12}`},
		{"by look", `{"u":"https://x/?a=1&authorization=Zoho-oauthtoken 1000.abc.def&b=2"}`, `{"u":"https://x/?a=1&authorization=***&b=2"}`},
		{"by look, encoded", `{"u":"authorization=Zoho-oauthtoken%201000.abc&b=2"}`, `{"u":"authorization=***&b=2"}`},
		{"by look, a user in a URL", `{"u":"https://me:pass@host/x"}`, `{"u":"https://***@host/x"}`},
		{"JSON in a string", `{"options":"{\"AUTH_ID\":\"qqq\",\"a\":1}","twice":"%7B%22access_token%22:%22qqq%22}"}`, `{"options":"{\"AUTH_ID\":\"***\",\"a\":1}","twice":"%7B%22access_token%22:%22***%22}"}`},
		{"an inbound webhook", `{"u":"https://x.bitrix24.com/rest/1/abc123def456gh78/crm.deal.list","v":"/rest/1/crm.deal.list"}`, `{"u":"https://x.bitrix24.com/rest/1/***/crm.deal.list","v":"/rest/1/crm.deal.list"}`},
		{"a token in a URL of Bitrix24", `{"u":"https://x/rest/crm.deal.get?auth=0123456789abcdef0123&id=1","v":"?auth=true"}`, `{"u":"https://x/rest/crm.deal.get?auth=***&id=1","v":"?auth=true"}`},
		{"an OAuth token behind an escape", `{"u":"x%201000.0123456789abcdef.0123456789abcdef"}`, `{"u":"x%20***"}`},
		{"a shown password of which a part looks like a user", `{"u":"https://me:p@ssword-1234@host/x","token":"p@ssword-1234"}`, `{"u":"https://***@host/x"}`},
		{"a shown password of which a part looks like a parameter", `{"token":"pass,word-1234","u":"?password=pass,word-1234&a=1"}`, `{"u":"?password=***&a=1"}`},
		{"a shown secret that contains a configured one", `{"token":"shown-configured-secret-1234","u":"x shown-configured-secret-1234"}`, `{"u":"x ***"}`},
		{"the token of a scheme, elsewhere", `{"token":"Bearer some-token-of-12","a":"some-token-of-12"}`, `{"a":"***"}`},
		{"an address is no secret", `{"mail":"somebody@example.com","note":"token: blue, bearer of news"}`, `{"mail":"somebody@example.com","note":"token: blue, bearer of news"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := r.Redacted(family, []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.out, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, in := range []string{``, `{`, `{"a"}`, `{"a":1,}`, `[1,]`, `{"a":1}x`, `{'a':1}`, `{"a":tru}`, `{"a":01}`, `"\x"`, `"a`, `{"a":"\`} {
		if got, err := r.Redacted(family, []byte(in)); err == nil {
			t.Errorf("%s was taken for JSON: %s", in, got)
		}
	}
}

// A quarantined callback keeps what decoding it again needs, and none of its secrets, whatever the shape of its body.
func TestQuarantineMasks(t *testing.T) {
	r := mapping(t).Redact
	for _, body := range []string{
		`{"a":1,"token":"planted-one","b":"configured-secret"}`,
		`{"a":1,"token":"planted-one","b":"configured-secret`,
		`{"token" : "planted-one`,
		`a=1&auth%5Baccess_token%5D=planted-one&auth[refresh_token]=planted-one&x=configured-secret`,
		`<x><token>1</token> token='planted-one' authorization: Bearer planted-one</x>`,
		`Authorization: Zoho-oauthtoken 1000.planted-one`,
		`<r><id>a b</id><access_token>planted-one</access_token><ns:my_secret a="b">planted-one</ns:my_secret></r>`,
		"--x\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\nplanted-one\r\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\xff\r\n--x--",
		"{\"token\":\"planted-one\xff\"",
		"\ufeff" + `{"token":["planted-one"],"authorization":{"a":"planted-one"}}`,
		`{"authorization":["planted-one"`, `{"token":{"v":"planted-one"`, `{"my_secret_key":"planted-one`,
		`{"token":` + strings.Repeat("[", 200) + `"planted-one"`,
	} {
		cb := ingest.Callback{
			Source: family, At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Method: "POST", Path: "/zoho/notifications",
			Query: url.Values{"channel": {"7"}, "Proof": {"planted-proof-of-it"}, "my_secret": {"planted-one"}, "api_key": {"planted-one"}}, Header: http.Header{"Authorization": {"Bearer planted-one"}},
			Body: []byte(body + " planted-proof-of-it"),
		}
		kept, err := r.Quarantine("id-1", cb, errors.New("because of configured-secret"))
		if err != nil {
			t.Fatal(err)
		}
		var q transform.Quarantined
		if err := json.Unmarshal(kept, &q); err != nil {
			t.Fatal(err)
		}
		all := string(kept) + string(q.BodyBase64)
		for _, secret := range []string{"planted-one", "configured-secret", "planted-proof-of-it"} {
			if strings.Contains(all, secret) {
				t.Errorf("%s\nshows %s: %s", body, secret, all)
			}
		}
		if q.ID != "id-1" || q.Source != family || q.Method != "POST" || !q.ReceivedAt.Equal(cb.At) || q.Query.Get("channel") != "7" || q.Reason == "" {
			t.Errorf("lost what is no secret: %s", kept)
		}
	}
}

// A secret in UTF-16 is found though the text has a NUL, for which it is in quarantine.
func TestQuarantineOfTextWithNUL(t *testing.T) {
	const secret = "тайна-и-слово"
	r := transform.NewRedactor(map[string]ingest.Secrets{family: {Values: []string{secret}}})
	text := []byte("\xff\xfe\x00\x00")
	for _, unit := range utf16.Encode([]rune("see " + secret)) {
		text = binary.LittleEndian.AppendUint16(text, unit)
	}
	kept, err := r.Quarantine("id", ingest.Callback{Source: family, Header: http.Header{"Content-Type": {"text/plain"}}, Body: text}, errors.New("why"))
	if err != nil {
		t.Fatal(err)
	}
	var q transform.Quarantined
	if err := json.Unmarshal(kept, &q); err != nil {
		t.Fatal(err)
	}
	if q.Body != "see ***" {
		t.Errorf("it is kept as %q %q", q.Body, q.BodyBase64)
	}
}

// A form is masked pair by pair: what is not a secret stays verbatim, also beside pairs that cannot be decoded.
func TestQuarantineKeepsForms(t *testing.T) {
	r := mapping(t).Redact
	for form, want := range map[string]string{
		"id=5+&Token_Count=42&Proof_of_Delivery=received&Deal_Name=Big": "id=5+&Token_Count=42&Proof_of_Delivery=received&Deal_Name=Big",
		"signature=%5Bsigned%5D&id=5&Amount=7%zz&token=t":               "signature=%5Bsigned%5D&id=5&Amount=7%zz&token=***",
		"a=configured-secret&access_token=x&u=x%3Fauthorization%3Dabc":  "a=***&access_token=***&u=x%3Fauthorization%3D***",
	} {
		cb := ingest.Callback{Source: family, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(form)}
		kept, err := r.Quarantine("id", cb, errors.New("why"))
		if err != nil {
			t.Fatal(err)
		}
		var q transform.Quarantined
		if err := json.Unmarshal(kept, &q); err != nil {
			t.Fatal(err)
		}
		if q.Body != want {
			t.Errorf("%s is kept as %s", form, q.Body)
		}
	}
}
