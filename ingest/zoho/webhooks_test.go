package zoho_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

const webhookSecret = "the-webhook-secret"

func webhooks() *zoho.Webhooks {
	return &zoho.Webhooks{
		Account: "default", Accepted: ingest.SecretList{webhookSecret, "the-older-webhook-secret"},
		IDParams: []string{"id", "Id", "ID", "record_id", "recordId"},
	}
}

func webhookMapping(t testing.TB, s ingest.Source) *transform.Mapping {
	t.Helper()
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	return &transform.Mapping{Schemas: set, Redact: transform.NewRedactor(map[string]ingest.Secrets{zoho.WebhooksLabel: s.Secrets()})}
}

func webhook(method, contentType, query, raw string) ingest.Callback {
	return ingest.Callback{
		Source: zoho.WebhooksLabel, At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Method: method, Path: "/zoho/webhooks/Deals/closed",
		Params: map[string]string{"module": "Deals", "operation": "closed"}, Query: body.Values(query), RawQuery: query,
		Header: http.Header{"Content-Type": {contentType}}, Body: []byte(raw),
	}
}

const form = "application/x-www-form-urlencoded"

// wide spells ASCII as UTF-16.
func wide(text string) string { return strings.Join(strings.Split(text, ""), "\x00") + "\x00" }

const multipartBody = "--xyz\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n77\r\n--xyz\r\nContent-Disposition: form-data; name=\"Näme\"\r\n\r\na\r\nb\r\n" +
	"--xyz\r\nContent-Disposition: form-data; name=\"tag\"\r\n\r\n1\r\n--xyz\r\nContent-Disposition: form-data; name=\"tag\"\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n\xfc\r\n" +
	"--xyz\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\nthe-webhook-secret\r\n--xyz--\r\n"

// Whatever way the administrator chose, names and values arrive unchanged, repeated ones too, and the id is found.
func TestWebhooksDecode(t *testing.T) {
	for _, test := range []struct {
		name, method, contentType, query, body string
		ids                                    []string
		native                                 string // members of native but the operation
	}{
		{"query", "GET", "", "secret=the-webhook-secret&Deal+Name=A%20%26%20B&tag=1&tag=2&ID=5725767000003000010&empty=", "", []string{"5725767000003000010"}, `"body":{"Deal Name":"A & B","tag":["1","2"],"ID":"5725767000003000010","empty":""}`},
		{"query with a semicolon", "DELETE", "", "id=1&list=a;b", "", []string{"1"}, `"body":{"id":"1","list":"a;b"}`},
		{"form", "POST", form, "", "record_id=1&Stage=Closed+Won&%E5%95%86%E6%9C%BA=%E9%87%91%E9%A2%9D", []string{"1"}, `"body":{"record_id":"1","Stage":"Closed Won","商机":"金额"}`},
		{"form and query", "PUT", form + "; charset=UTF-8", "region=north", "id=1", []string{"1"}, `"body":{"region":"north","id":"1"}`},
		{"form in another charset", "POST", form + "; charset=gb2312", "", "id=1&name=%BD%F0%B6%EE", []string{"1"}, `"body":{"id":"1","name":"金额"}`},
		{"repeated id", "POST", form, "", "id=1&id=2", []string{"1", "2"}, `"body":{"id":["1","2"]}`},
		{"the first name that is there", "POST", form, "", "recordId=2&Id=1", []string{"1"}, `"body":{"recordId":"2","Id":"1"}`},
		{"no id", "POST", form, "", "name=x", nil, `"body":{"name":"x"}`},
		{"multipart", "POST", "multipart/form-data; boundary=xyz", "", multipartBody, []string{"77"}, `"body":{"id":"77","Näme":"a\r\nb","tag":["1","ü"]}`},
		{"JSON", "POST", "application/json; charset=utf-8", "region=north&secret=the-webhook-secret", ` {"id": 5725767000003000010, "amount": 1.10, "secret": "the-webhook-secret"}`, []string{"5725767000003000010"}, `"body":{"id":5725767000003000010,"amount":1.10},"query":{"region":"north"}`},
		{"JSON list", "POST", "application/json", "id=9", `[{"a":1}]`, []string{"9"}, `"body":[{"a":1}],"query":{"id":"9"}`},
		{"JSON under a form's type", "POST", form, "", `{"id":"1"}`, []string{"1"}, `"body":{"id":"1"}`},
		{"JSON in another charset", "POST", "application/json; charset=windows-1251", "", "{\"id\":\"1\",\"name\":\"\xc8\xec\xff\"}", []string{"1"}, `"body":{"id":"1","name":"Имя"}`},
		{"XML", "POST", "text/xml", "", `<deal stage="won"><id>7</id><tag>a</tag><tag>b</tag></deal>`, []string{"7"}, `"body":"<deal stage=\"won\"><id>7</id><tag>a</tag><tag>b</tag></deal>","xml":{"deal":{"@stage":"won","id":"7","tag":["a","b"]}}`},
		{"XML that would lose something", "POST", "application/xml", "id=1", `<p>one <b>two</b></p>`, []string{"1"}, `"body":"<p>one <b>two</b></p>","query":{"id":"1"}`},
		{"XML with entities of its own", "POST", "application/xml", "id=1", `<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>`, []string{"1"}, `"body":"<!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;</a>","query":{"id":"1"}`},
		{"text", "POST", "text/plain", "id=1", "Deal closed:\n\"big\" one", []string{"1"}, `"body":"Deal closed:\n\"big\" one","query":{"id":"1"}`},
		{"nothing", "POST", "", "", "", nil, `"body":{}`},
		{"a byte order mark alone", "POST", "text/plain", "", "\xef\xbb\xbf", nil, `"body":{}`},
		{"a space of another charset alone", "POST", "text/plain; charset=latin1", "", "\xa0", nil, `"body":{}`},
		{"the id twice", "POST", form, "id=7", "id=7", []string{"7"}, `"body":{"id":["7","7"]}`},
		{"query in another charset", "GET", "text/plain; charset=iso-8859-1", "id=7&n=%E9", "", []string{"7"}, `"body":{"id":"7","n":"é"}`},
		{"broken percent-encoding", "POST", form, "disc=50%&u=%u041F", "id=1&a=%zz&b=%4&%=c", []string{"1"}, `"body":{"disc":"50%","u":"%u041F","id":"1","a":"%zz","b":"%4","%":"c"}`},
		{"bytes of no known charset", "POST", form, "a=M%fcller", "id=1&b=M\xfcller&c=%C3%BC%ff&d=%", []string{"1"}, `"body":{"a":"M%fcller","id":"1","b":"M%FCller","c":"ü%ff","d":"%"}`},
		{"a form in another charset than it says", "POST", form + "; charset=gb2312", "", "id=1&a=%C3%BC&b=%ff", []string{"1"}, `"body":{"id":"1","a":"眉","b":"%ff"}`},
		{"a form in a charset that nobody knows", "POST", form + "; charset=klingon", "", "id=1&a=%C3%BC", []string{"1"}, `"body":{"id":"1","a":"ü"}`},
		{"a NUL in a form", "POST", form, "", "id=1&a=%00\x00", []string{"1"}, `"body":{"id":"1","a":"\u0000\u0000"}`},
		{"JSON under two types", "POST", "application/json, application/json", "", `{"id":"25"}`, []string{"25"}, `"body":{"id":"25"}`},
		{"JSON under a type of bytes", "POST", "application/octet-stream", "", `{"id":"25"}`, []string{"25"}, `"body":{"id":"25"}`},
		{"JSON under no type", "POST", "", "", `{"id":"25"}`, []string{"25"}, `"body":{"id":"25"}`},
		{"JSON under a type of text", "POST", "text/html; charset=klingon", "", `{"id":"25"}`, []string{"25"}, `"body":{"id":"25"}`},
		{"JSON under a type of multipart", "POST", "multipart/form-data; boundary=xyz", "", `{"id":"25"}`, []string{"25"}, `"body":{"id":"25"}`},
		{"JSON under a broken type", "POST", "application/json; charset=\"", "", `{"id":"25"}`, []string{"25"}, `"body":{"id":"25"}`},
		{"JSON in a charset that nobody knows", "POST", "application/json; charset=klingon", "", `{"id":"25","n":"ü"}`, []string{"25"}, `"body":{"id":"25","n":"ü"}`},
		{"JSON behind a byte order mark", "POST", "*/*", "", "\ufeff" + `{"id":"25"}`, []string{"25"}, `"body":{"id":"25"}`},
		{"JSON in UTF-16", "POST", "application/json", "", "\xff\xfe" + wide(`{"id":"25"}`), []string{"25"}, `"body":{"id":"25"}`},
		{"XML that declares its charset", "POST", "text/xml", "id=2", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><n>M\xfcller</n>", []string{"2"}, `"body":"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><n>Müller</n>","query":{"id":"2"},"xml":{"n":"Müller"}`},
		{"XML that declares another charset than its header", "POST", "text/xml; charset=utf-8", "id=2", "<?xml version='1.0' encoding='koi8-r'?><n>ü</n>", []string{"2"}, `"body":"<?xml version='1.0' encoding='koi8-r'?><n>ü</n>","query":{"id":"2"},"xml":{"n":"ü"}`},
		{"XML in the charset that it declares, not its header", "POST", "text/xml; charset=utf-8", "id=2", "<?xml version='1.0' encoding='windows-1251'?><n>\xc8</n>", []string{"2"}, `"body":"<?xml version='1.0' encoding='windows-1251'?><n>И</n>","query":{"id":"2"},"xml":{"n":"И"}`},
		{"XML that declares UTF-16 and is not", "POST", "", "id=2", `<?xml version="1.0" encoding="utf-16"?><n>ü</n>`, []string{"2"}, `"body":"<?xml version=\"1.0\" encoding=\"utf-16\"?><n>ü</n>","query":{"id":"2"},"xml":{"n":"ü"}`},
		{"XML in UTF-16", "POST", "text/xml", "", wide(`<a><id>7</id></a>`), []string{"7"}, `"body":"<a><id>7</id></a>","xml":{"a":{"id":"7"}}`},
		{"the id in XML that would lose something", "POST", "text/xml", "", `<a><!-- c --><id n="x">7</id></a>`, []string{"7"}, `"body":"<a><!-- c --><id n=\"x\">7</id></a>"`},
		{"a GUID for an id", "POST", form, "", "id=%7B3F2504E0-4F89-11D3-9A0C-0305E82C3301%7D", []string{"{3F2504E0-4F89-11D3-9A0C-0305E82C3301}"}, `"body":{"id":"{3F2504E0-4F89-11D3-9A0C-0305E82C3301}"}`},
		{"XML with the secret", "POST", "text/xml", "", `<a><id>1</id><secret>the-webhook-secret</secret></a>`, []string{"1"}, `"body":"<a><id>1</id><secret>***</secret></a>","xml":{"a":{"id":"1"}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := webhooks()
			changes, err := s.Decode(webhook(test.method, test.contentType, test.query, test.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.ids, changes[0].IDs); diff != "" {
				t.Error(diff)
			}
			events, err := webhookMapping(t, s).Events(changes[0])
			if err != nil {
				t.Fatal(err)
			}
			var data struct{ Native json.RawMessage }
			if err := json.Unmarshal(events[0].Data, &data); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(`{"operation":"closed",`+test.native+`}`, string(data.Native)); diff != "" {
				t.Error(diff)
			}
			if events[0].Type != "crm.zoho.Deals.closed" || events[0].Source != "/zoho/webhooks/Deals" {
				t.Errorf("type %s, source %s", events[0].Type, events[0].Source)
			}
		})
	}
}

// The bodies of Zoho's own help page arrive as they are; the first is not well-formed there, and stays text.
func TestWebhooksOfTheHelpPage(t *testing.T) {
	for name, converts := range map[string]bool{"webhook-creator.xml": false, "webhook-sms.xml": true} {
		body := string(read(t, name))
		changes, err := webhooks().Decode(webhook("POST", "application/xml", "", body))
		if err != nil {
			t.Fatal(err)
		}
		var text string
		if err := json.Unmarshal(changes[0].NativeBody, &text); err != nil || text != body {
			t.Errorf("%s is not kept as it is: %v", name, err)
		}
		if (changes[0].NativeXML != nil) != converts {
			t.Errorf("%s as JSON: %s", name, changes[0].NativeXML)
		}
	}
}

// A delivery's identity makes its repeat after 15 minutes the same event; without one each delivery is its own.
func TestWebhookIdentity(t *testing.T) {
	s := webhooks()
	mark := func(body string) string {
		changes, err := s.Decode(webhook("POST", form, "", body))
		if err != nil {
			t.Fatal(err)
		}
		return changes[0].Mark
	}
	if mark("id=1&at=2") != "" {
		t.Error("there is an identity by default")
	}
	s.IdentityParams = []string{"id", "at"}
	if mark("id=1&at=2") == "" || mark("id=1&at=2") != mark("at=2&id=1&other=3") {
		t.Error("the same delivery has two identities")
	}
	for _, other := range []string{"id=1&at=3", "id=12&at=x", "id=1&at=2&at=2"} {
		if mark(other) == mark("id=1&at=2") {
			t.Errorf("%s has the same identity", other)
		}
	}
	if mark("id=1&at=") != "" || mark("id=1&at=++") != "" {
		t.Error("an empty field is an identity")
	}
	if mark("id=1") != "" {
		t.Error("half an identity counts")
	}
}

// encoder returns what a mapping's events look like in a stream, in either mode.
func encoder(m *transform.Mapping) func(ingest.Change) ([][]byte, error) {
	perRecord := *m
	perRecord.PerRecord = true
	return func(c ingest.Change) ([][]byte, error) {
		events, err := m.Events(c)
		if err != nil {
			return nil, err
		}
		each, err := perRecord.Events(c)
		events = append(events, each...)
		var all [][]byte
		for i := range events {
			all = append(all, events[i].AppendJSON(nil))
		}
		return all, err
	}
}
