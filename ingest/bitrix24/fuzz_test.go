package bitrix24_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
	"github.com/crm-bridge/crm-bridge/transform"
)

// Whatever arrives, decoding does not panic, an event is valid JSON, no digit of a record id is lost, and tokens are gone
// from the event and from the copy in quarantine.
func FuzzEvent(f *testing.F) {
	for _, name := range samples(f, "event", 12) {
		f.Add(read(f, name), "application/x-www-form-urlencoded")
	}
	f.Add([]byte(`{"event":"ONCRMDEALADD","auth":{"member_id":"a","x":["`+token+`"]}}`), "application/json; charset=windows-1251")
	f.Add([]byte("event=ONCRMDEALADD&data[FIELDS][ID]={{ID}}&a=50%&b=%u041F&%ff=\xfc&auth[acc%65ss_token]=%"+accessToken+proven), "application/x-www-form-urlencoded; charset=klingon")
	f.Add([]byte(`{"auth":{"member_id":"`+member+`","application_token":"`+token+`"},"data":{"FIELDS":{"ID":null,"T":"`+"\xff"), "application/json")
	f.Add([]byte("\xff\xfe"+wide(`{"event":"x","ts":1.7e9,"auth":{"member_id":"`+member+`","access_token":"`+accessToken+`"}}`)), "application/json; charset=utf-16")
	s := open(f, openEvents)
	m := mapping(f, bitrix24.EventsLabel, s)
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		cb := eventCallback(body)
		cb.Header.Set("Content-Type", contentType)
		check(t, s, m, cb)
	})
}

// The same for the outgoing webhooks of workflows, with the secret anywhere.
func FuzzWorkflow(f *testing.F) {
	for _, name := range samples(f, "workflow", 3) {
		f.Add("approved", read(f, name), "secret="+workflowSecret)
	}
	f.Add(workflowSecret, []byte("document_id[2]=DEAL_1&a="+workflowSecret), "x="+workflowSecret)
	f.Add("edit", []byte("document_id[2]=DEAL_{=Document:ID}&ts=1.746625426E9&a=\xfc"), "title=50%&secret="+workflowSecret+"&a;b=%ff\xfc")
	s := open(f, openWorkflows)
	m := mapping(f, bitrix24.WorkflowsLabel, s)
	f.Fuzz(func(t *testing.T, operation string, body []byte, query string) {
		check(t, s, m, workflowCallback(operation, body, query))
	})
}

func check(t *testing.T, s ingest.Source, m *transform.Mapping, cb ingest.Callback) {
	proof := s.Verify(t.Context(), cb)
	planted := s.Secrets().Values
	changes, reason := s.Decode(cb)
	if reason == nil {
		for _, change := range changes {
			checkIDs(t, change)
			events, err := m.Events(change)
			if err != nil {
				reason = err
				continue
			}
			checkOutput(t, events[0].Data, append(planted, tokens(change.NativeBody)...))
		}
	}
	if reason == nil {
		reason = ingest.ErrMalformed
	}
	kept, err := m.Redact.Quarantine("id", cb, reason)
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, kept, s.Secrets().Values)
	if proof == nil && cb.Source == bitrix24.EventsLabel && len(changes) > 0 && changes[0].Account == "" {
		t.Error("proven for a portal that it does not name")
	}
}

// checkIDs fails unless each id stands, digit for digit, in the native body.
func checkIDs(t *testing.T, change ingest.Change) {
	for _, id := range change.IDs {
		quoted := string(jsontext.Quote(id))
		plain := strings.Trim(quoted, `"`)
		if body := unescaped(t, change.NativeBody); !strings.Contains(body, plain) {
			t.Errorf("id %s is not in %s", id, body)
		}
		if ingest.CheckID(id) != nil {
			t.Errorf("id %q is none", id)
		}
	}
}

// unescaped spells JSON as ingest.JSONString does.
func unescaped(t *testing.T, raw []byte) string {
	var text strings.Builder
	for decoder := json.NewDecoder(strings.NewReader(string(raw))); ; {
		decoder.UseNumber()
		token, err := decoder.Token()
		if err != nil {
			return text.String()
		}
		switch token := token.(type) {
		case string:
			text.Write(jsontext.Quote(token))
		case json.Number:
			text.WriteString(" " + token.String() + " ")
		}
		if text.Len() > 1<<22 {
			t.Fatal("too long")
		}
	}
}

// tokens are the planted tokens that a native body shows once, under their name in auth.
func tokens(native []byte) []string {
	var members struct {
		Access  string `json:"auth[access_token]"`
		Refresh string `json:"auth[refresh_token]"`
		Auth    struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		} `json:"auth"`
	}
	if json.Unmarshal(native, &members) != nil {
		return nil
	}
	var all []string
	for _, value := range []string{members.Access, members.Refresh, members.Auth.Access, members.Auth.Refresh} {
		if (value == accessToken || value == refreshToken) && strings.Count(string(native), value) == 1 {
			all = append(all, value)
		}
	}
	return all
}

func checkOutput(t *testing.T, out []byte, secrets []string) {
	if !json.Valid(out) || !utf8.Valid(out) {
		t.Fatalf("not JSON: %q", out)
	}
	for _, secret := range secrets {
		if len(secret) >= 12 && (strings.Contains(string(out), secret) || strings.Contains(string(out), url.QueryEscape(secret))) {
			t.Errorf("shows the secret %q: %s", secret, out)
		}
	}
}
