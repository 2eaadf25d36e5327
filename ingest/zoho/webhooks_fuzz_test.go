package zoho_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Whatever a webhook carries, reading it does not panic, its event is valid JSON, and the secret is gone from it.
func FuzzWebhook(f *testing.F) {
	f.Add("POST", form, "secret=the-webhook-secret", []byte("id=1&a=b&a=c"))
	f.Add("POST", "application/json; charset=gb2312", "", []byte(`{"id":1,"secret":"the-webhook-secret"}`))
	f.Add("POST", "multipart/form-data; boundary=xyz", "a=b", []byte(multipartBody))
	f.Add("PUT", "text/xml", "", read(f, "webhook-sms.xml"))
	f.Add("PUT", "text/xml", "", read(f, "webhook-creator.xml"))
	f.Add("POST", "text/plain", "", []byte("\xef\xbb\xbf"))
	f.Add("POST", "text/plain; charset=latin1", "", []byte("\xa0"))
	f.Add("GET", "", "secret=the-webhook-secret&x=%ff;", []byte(nil))
	f.Add("POST", form, "secret=the-webhook-secret&disc=50%&u=%u041F", []byte("id=${Leads.Id}&a=\xfc&%zz=%4"))
	f.Add("POST", "application/json, application/json", "", []byte(`{"id":["1",null],"a":"5" pipe","secret":"the-webhook-secret"}`))
	f.Add("POST", "application/octet-stream", "", []byte("\xff\xfe"+wide(`{"id":"","secret":"the-webhook-secret"}`)))
	f.Add("POST", "text/xml", "", []byte("<?xml version='1.0' encoding='iso-8859-1'?><a><!-- --><id>\xfc</id><secret>the-webhook-secret</secret>"))
	f.Add("POST", "multipart/form-data; charset=\"", "", []byte(strings.ReplaceAll(multipartBody, "77", "\xff")))
	s := webhooks()
	m := webhookMapping(f, s)
	f.Fuzz(func(t *testing.T, method, contentType, query string, body []byte) {
		cb := webhook(method, contentType, query, string(body))
		_ = s.Verify(t.Context(), cb)
		if changes, err := s.Decode(cb); err == nil {
			if events, err := m.Events(changes[0]); err == nil {
				checkWebhook(t, events[0].Data, cb)
			}
		}
		kept, err := m.Redact.Quarantine("id", cb, ingest.ErrMalformed)
		if err != nil {
			t.Fatal(err)
		}
		checkWebhook(t, kept, cb)
	})
}

// growth is the most by which a body may grow: six characters for one (\u0000), in the body and again in its JSON.
const growth = 20

func checkWebhook(t *testing.T, out []byte, cb ingest.Callback) {
	if given := len(cb.Method) + len(cb.Body) + len(cb.RawQuery) + len(cb.Header.Get("Content-Type")); len(out) > growth*given+4096 {
		t.Errorf("%d bytes came of %d", len(out), given)
	}
	if !json.Valid(out) {
		t.Fatalf("not JSON: %q", out)
	}
	if bytes.Contains(out, []byte(webhookSecret)) {
		t.Errorf("shows the secret: %s", out)
	}
}
