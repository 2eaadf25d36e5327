package zoho_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// Whatever arrives, decoding does not panic, an event is valid JSON, no digit of a record id is lost, and the token is
// gone from the event and from the copy in quarantine.
func FuzzNotification(f *testing.F) {
	samples, err := filepath.Glob("testdata/notification-*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range samples {
		f.Add(read(f, filepath.Base(path)))
	}
	for _, body := range []string{
		"{\"channel_id\":\"1000000000045\",\"token\":\"TOKEN_FOR_VERIFICATION_OF_1000000000045\",\"a\":\"\xff\"}",
		`{"channel_id":"1000000000045","token":"TOKEN_FOR_VERIFICATION_OF_1000000000045","ids":[1,`,
		`{"module":"Deals","operation":"update","ids":["1"],"channel_id":"1","server_time":1.718115953625E12,"affected_values":[{"record_id":"1","values":{"a":1.0}},{"record_id":1,"values":{"\u0061":2,"a":{}}}]}`,
		"\xff\xfe" + wide(`{"module":"Deals","operation":"update","ids":["${Deals.Id}"],"channel_id":"1","token":"x"}`),
	} {
		f.Add([]byte(body))
	}
	s := source()
	m := mapping(f, s)
	f.Fuzz(func(t *testing.T, body []byte) {
		cb := callback(body, "channel=1&proof=planted-proof-1234567890")
		_ = s.Verify(t.Context(), cb)
		changes, err := s.Decode(cb)
		if err == nil {
			for _, change := range changes {
				checkChange(t, change, body)
				events, err := m.Events(change)
				if err != nil {
					continue
				}
				checkOutput(t, events[0].Data)
			}
		}
		kept, err := m.Redact.Quarantine("id", cb, ingest.ErrMalformed)
		if err != nil {
			t.Fatal(err)
		}
		checkOutput(t, kept)
	})
}

func checkChange(t *testing.T, change ingest.Change, raw []byte) {
	if text, err := body.Text(raw, nil); err == nil {
		raw = []byte(text)
	}
	var given struct {
		IDs []json.RawMessage `json:"ids"`
	}
	if err := json.Unmarshal(raw, &given); err != nil || len(given.IDs) != len(change.IDs) {
		t.Fatalf("%d ids of %d: %v", len(change.IDs), len(given.IDs), err)
	}
	for i, raw := range given.IDs {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		if text != change.IDs[i] {
			t.Errorf("id %s became %s", raw, change.IDs[i])
		}
	}
}

func checkOutput(t *testing.T, out []byte) {
	if !json.Valid(out) || !utf8.Valid(out) {
		t.Fatalf("not JSON: %q", out)
	}
	secrets := []string{"TOKEN_FOR_VERIFICATION_OF_1000000000045", "the-new-master-secret", "planted-proof-1234567890"}
	for _, secret := range secrets {
		if strings.Contains(string(out), secret) {
			t.Errorf("shows the secret %q: %s", secret, out)
		}
	}
}
