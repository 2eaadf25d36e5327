package zoho_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
)

// A webhook proves itself by a parameter, a header or a bearer; by nothing else.
func TestWebhooksVerify(t *testing.T) {
	for _, test := range []struct {
		name, contentType, query, body, header, value string
		genuine                                       bool
	}{
		{"parameter of the URL", "", "secret=the-webhook-secret", "", "", "", true},
		{"older secret", "", "secret=the-older-webhook-secret", "", "", "", true},
		{"parameter of a form", form, "", "a=1&secret=the-webhook-secret", "", "", true},
		{"parameter of a multipart form", "multipart/form-data; boundary=xyz", "", multipartBody, "", "", true},
		{"member of JSON", "application/json", "", `{"secret":"the-webhook-secret"}`, "", "", true},
		{"header", "", "", "", "X-Webhook-Secret", webhookSecret, true},
		{"bearer", "", "", "", "Authorization", "bearer " + webhookSecret, true},
		{"header with a body that cannot be read", "multipart/form-data; boundary=xyz", "", "broken", "X-Webhook-Secret", webhookSecret, true},
		{"beside broken percent-encoding", "", "disc=50%&u=%u041F&%zz&secret=the-webhook-secret&%", "", "", "", true},
		{"beside bytes of no charset", "", "a=%ff&b=\xfc&secret=the-webhook-secret", "", "", "", true},
		{"beside a semicolon", "", "a=1;b=2&secret=the-webhook-secret", "", "", "", true},
		{"among other secrets", form, "", strings.Repeat("secret=x&", 50) + "secret=the-webhook-secret", "", "", true},
		{"behind a hundred others", form, "", strings.Repeat("secret=x&", 100) + "secret=the-webhook-secret", "", "", false},
		{"behind a thousand parameters", "", strings.Repeat("a=1&", 2000) + "secret=the-webhook-secret", "", "", "", true},
		{"in a form, beside what cannot be read", form, "%", "a=50%&b=\xff%ff\x00&secret=the-webhook-secret", "", "", true},
		{"in a form, behind a byte order mark", form, "", "\ufeffsecret=the-webhook-secret", "", "", true},
		{"in a form behind a thousand parameters", form, "", strings.Repeat("a=1&", 2000) + "secret=the-webhook-secret", "", "", true},
		{"in a form of an unknown charset", form + "; charset=klingon", "", "secret=the-webhook-secret", "", "", true},
		{"in a form that says that it is JSON", "application/json", "", "a=1&secret=the-webhook-secret", "", "", true},
		{"in a part beside one that cannot be read", "multipart/form-data; boundary=xyz", "", strings.ReplaceAll(multipartBody, "77", "\xff"), "", "", true},
		{"in a part beside an unknown charset", "multipart/form-data; boundary=xyz", "", strings.ReplaceAll(multipartBody, "iso-8859-1", "klingon"), "", "", true},
		{"in a part behind a thousand", "multipart/form-data; boundary=xyz", "", strings.Repeat("--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", 2000) + multipartBody, "", "", true},
		{"in a part, with another boundary", "multipart/form-data; boundary=abc", "", multipartBody, "", "", true},
		{"in a part, without a boundary", "multipart/form-data", "", multipartBody, "", "", true},
		{"in a part before the body ends early", "multipart/form-data; boundary=xyz", "", strings.TrimSuffix(multipartBody, "xyz--\r\n") + "xyz\r\nContent-Disp", "", "", true},
		{"in JSON that is not UTF-8", "application/json", "", "{\"a\":\"\xff\",\"secret\":\"the-webhook-secret\"}", "", "", true},
		{"in JSON that is cut off", "application/json", "", `{"secret":"the-webhook-secret","a":`, "", "", true},
		{"in JSON with a quote that is not escaped", "", "", `{"a":"5" pipe","secret" : "the\u002dwebhook-secret"}`, "", "", true},
		{"in JSON in UTF-16", "application/json", "", "\xff\xfe" + wide(`{"secret":"the-webhook-secret"}`), "", "", true},
		{"in JSON of an unknown charset", "application/json; charset=klingon", "", `{"secret":"the-webhook-secret"}`, "", "", true},
		{"in XML that would lose something", "text/xml", "", `<a><!-- c --><secret>the-webhook-secret</secret></a>`, "", "", true},
		{"in XML that is cut off", "text/xml", "", `<a><secret>the-webhook-secret</secret><b`, "", "", true},
		{"in XML that is not UTF-8", "text/xml", "", "<a><b>\xff</b><secret>the-webhook-secret</secret></a>", "", "", true},
		{"in XML, nested", "text/xml", "", `<a><b><secret>the-webhook-secret</secret></b></a>`, "", "", false},
		{"in a comment of XML", "text/xml", "", `<a><!-- <secret>the-webhook-secret</secret> --></a>`, "", "", false},
		{"cut off itself", "application/json", "", `{"secret":"the-webhook-secret`, "", "", false},
		{"broken itself", "", "secret=the-webhook-secret%", "", "", "", false},
		{"nothing", "", "", "", "", "", false},
		{"empty", "", "secret=", "", "", "", false},
		{"wrong", "", "secret=the-webhook-secre", "", "", "", false},
		{"both at once", "", "secret=the-webhook-secret,the-older-webhook-secret", "", "", "", false},
		{"basic", "", "", "", "Authorization", "Basic " + webhookSecret, false},
		{"another name", "", "Secret=the-webhook-secret", "", "", "", false},
		{"nested in JSON", "application/json", "", `{"a":{"secret":"the-webhook-secret"}}`, "", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			cb := webhook("POST", test.contentType, test.query, test.body)
			if test.header != "" {
				cb.Header.Set(test.header, test.value)
			}
			err := webhooks().Verify(t.Context(), cb)
			if test.genuine && err != nil || !test.genuine && !errors.Is(err, ingest.ErrForged) {
				t.Errorf("%v", err)
			}
		})
	}
	if err := (&zoho.Webhooks{}).Verify(t.Context(), webhook("GET", "", "secret=", "")); !errors.Is(err, ingest.ErrForged) {
		t.Errorf("without a configured secret: %v", err)
	}
}

// What is proven and cannot be understood is malformed, and goes to quarantine.
func TestWebhooksDecodeRefuses(t *testing.T) {
	many := strings.Repeat("a=1&", 1001)
	for name, cb := range map[string]ingest.Callback{
		"broken JSON":                                    webhook("POST", "application/json", "", `{"a":`),
		"not UTF-8":                                      webhook("POST", "text/plain", "", "\xff\xfe\xff"),
		"unheard-of charset":                             webhook("POST", "text/plain; charset=klingon", "", "x"),
		"multipart that ends early":                      webhook("POST", "multipart/form-data; boundary=xyz", "", multipartBody[:60]),
		"multipart, no boundary":                         webhook("POST", "multipart/form-data", "", multipartBody),
		"parameters by the thousand":                     webhook("POST", form, "", many),
		"parameters of the URL":                          webhook("GET", "", many, ""),
		"multipart, another boundary":                    webhook("POST", "multipart/form-data; boundary=abc", "", multipartBody),
		"multipart without an end":                       webhook("POST", "multipart/form-data; boundary=xyz", "", strings.TrimSuffix(multipartBody, "--xyz--\r\n")),
		"text not in its charset":                        webhook("POST", "text/plain; charset=shift_jis", "", "abc\xc3\xff"),
		"a charset that is refused":                      webhook("POST", "text/plain; charset=iso-2022-kr", "", "hello"),
		"an id with a space":                             webhook("POST", form, "", "id=1+2"),
		"a merge field of Zoho":                          webhook("POST", "application/json", "", `{"id":"${Leads.Id}"}`),
		"a newer merge field":                            webhook("POST", form, "", "id=%24%7B%21Deals.Id%7D"),
		"a merge field, encoded twice":                   webhook("POST", form, "", "id=%2524%257BLeads.Id%257D"),
		"a merge field inside":                           webhook("GET", "", "recordId=DEAL_{{ID}}", ""),
		"a merge field of Bitrix24":                      webhook("POST", "text/xml", "", `<a><id>{=Document:ID}</id></a>`),
		"a merge field in XML that would lose something": webhook("POST", "text/xml", "", `<a><!-- --><id>${Leads.Id}</id></a>`),
		"a merge field between signs":                    webhook("POST", form, "", "id=%25ID%25"),
		"ids, one of which is not an id":                 webhook("POST", "application/json", "", `{"id":["1","${Leads.Id}"]}`),
		"an empty id":                                    webhook("POST", "application/json", "", `{"id":""}`),
		"white space for an id":                          webhook("POST", form, "", "id=+%09"),
		"null for an id":                                 webhook("POST", "application/json", "", `{"id":null}`),
		"null for an id, another has":                    webhook("POST", "application/json", "", `{"id":null,"Id":"1"}`),
		"null among ids":                                 webhook("POST", "application/json", "", `{"id":["1",null]}`),
		"an empty list of ids":                           webhook("POST", "application/json", "", `{"id":[]}`),
		"an object for an id":                            webhook("POST", "application/json", "", `{"id":{}}`),
		"a fraction for an id":                           webhook("POST", "application/json", "", `{"id":1.5}`),
		"the word null":                                  webhook("GET", "", "id=null", ""),
		"the word undefined":                             webhook("POST", form, "id=undefined", ""),
		"an empty element":                               webhook("POST", "text/xml", "", `<a><id/></a>`),
		"an element with others":                         webhook("POST", "text/xml", "", `<a><id><b>1</b></id></a>`),
		"JSON that is not UTF-8":                         webhook("POST", "", "", "{\"id\":\"1\",\"a\":\"\xff\"}"),
		"XML in an unknown charset":                      webhook("POST", "text/xml", "", "<?xml version='1.0' encoding='klingon'?><a>\xff</a>"),
	} {
		if _, err := webhooks().Decode(cb); !errors.Is(err, ingest.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, params := range []map[string]string{{"module": "De.als", "operation": "edit"}, {"module": "*", "operation": "edit"}, {"module": "Deals", "operation": ">"}, {"module": "..", "operation": "edit"}} {
		cb := webhook("GET", "", "", "")
		cb.Params = params
		if _, err := webhooks().Decode(cb); !errors.Is(err, ingest.ErrMalformed) {
			t.Errorf("%v: %v", params, err)
		}
	}
}

// Before the body is read, a secret in the URL or in a header authenticates the webhook, and one in the body does not.
func TestWebhookBeforeItsBody(t *testing.T) {
	const secret = "secret=" + webhookSecret
	for name, test := range map[string]struct {
		query, header, body string
		genuine             bool
	}{
		"URL":    {query: "x=1&" + secret, genuine: true},
		"header": {header: webhookSecret, genuine: true},
		"both":   {query: "secret=wrong", header: webhookSecret, genuine: true},
		"body":   {body: secret},
		"wrong":  {query: "secret=wrong"},
		"none":   {},
	} {
		cb := webhook("POST", form, test.query, test.body)
		if test.header != "" {
			cb.Header.Set("X-Webhook-Secret", test.header)
		}
		cb.Body = nil
		if err := webhooks().Verify(t.Context(), cb); test.genuine != (err == nil) || err != nil && !errors.Is(err, ingest.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
