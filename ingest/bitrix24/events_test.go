package bitrix24_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// proven is what makes a form genuine.
const proven = "&auth[member_id]=" + member + "&auth[application_token]=" + token

// Every event that the documents show, or that was seen live, becomes the event of its golden file.
func TestEventsBecomeEvents(t *testing.T) {
	s := open(t, openEvents)
	for _, name := range samples(t, "event", 12) {
		t.Run(name, func(t *testing.T) { golden(t, s, eventCallback(read(t, name)), name) })
	}
}

// What Bitrix24 would never send, though it was proven, is malformed: it goes to quarantine, not into a subject.
func TestEventsDecodeRefuses(t *testing.T) {
	s := open(t, openEvents)
	for name, body := range map[string]string{
		"no event":                  "data[FIELDS][ID]=1" + proven,
		"empty event":               "event=" + proven,
		"event said twice":          "event=ONCRMDEALADD&EVENT=ONCRMDEALDELETE" + proven,
		"event a list":              "event[]=ONCRMDEALADD" + proven,
		"event a number":            `{"event":1,"auth":{"member_id":"a"}}`,
		"event without letters":     "event=***" + proven,
		"event that begins with 1":  "event=1on" + proven,
		"event too long":            "event=" + strings.Repeat("a", 65) + proven,
		"module too long":           "event=ONCRM" + strings.Repeat("A", 101) + "ADD" + proven,
		"no member_id":              "event=ONCRMDEALADD",
		"member_id with a space":    "event=ONCRMDEALADD&auth[member_id]=a+b",
		"id with a space":           "event=ONCRMDEALADD&data[FIELDS][ID]=1+2" + proven,
		"id too long":               "event=ONCRMDEALADD&data[FIELDS][ID]=" + strings.Repeat("1", 201) + proven,
		"id said twice":             "event=ONCRMDEALADD&data[FIELDS][ID]=1&data[fields][id]=2" + proven,
		"id a fraction":             `{"event":"ONCRMDEALADD","data":{"FIELDS":{"ID":1.5}},"auth":{"member_id":"a"}}`,
		"id empty":                  "event=ONCRMDEALADD&data[FIELDS][ID]=" + proven,
		"id white space":            "event=ONCRMDEALADD&data[ID]=+" + proven,
		"id null":                   `{"event":"ONCRMDEALADD","data":{"FIELDS":{"ID":null}},"auth":{"member_id":"a"}}`,
		"id a merge field":          "event=ONCRMDEALADD&data[FIELDS][ID]={{ID}}" + proven,
		"more than 1,000 fields":    "event=ONCRMDEALADD&" + strings.Repeat("a=1&", 1000) + proven,
		"not UTF-8":                 `{"event":"ONCRMDEALADD","data":{"FIELDS":{"ID":"1","T":"` + "\xff" + `"}},"auth":{"member_id":"a"}}`,
		"id true":                   `{"event":"ONCRMDEALADD","data":{"FIELDS":{"ID":true}},"auth":{"member_id":"a"}}`,
		"id an object":              `{"event":"ONCRMDEALADD","data":{"FIELDS":{"ID":{}}},"auth":{"member_id":"a"}}`,
		"not JSON":                  `{"event":`,
		"nested deeper than anyone": `{"event":"ONCRMDEALADD","auth":{"member_id":"a"},"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := s.Decode(eventCallback([]byte(body)))
			if !errors.Is(err, ingest.ErrMalformed) {
				t.Errorf("decoded to %+v, %v", changes, err)
			}
		})
	}
}

// An installation and its end are answered, and are no event.
func TestInstallationMakesNoChange(t *testing.T) {
	s := open(t, openEvents)
	for _, name := range []string{"ONAPPINSTALL", "onAppUninstall"} {
		cb := eventCallback([]byte("event=" + name + "&data[VERSION]=1&auth[refresh_token]=planted" + proven))
		if err := s.Verify(t.Context(), cb); err != nil {
			t.Error(err)
		}
		if changes, err := s.Decode(cb); err != nil || len(changes) != 0 {
			t.Errorf("%s became %+v, %v", name, changes, err)
		}
	}
}

// What an event says of its record arrives whole, whether it came as a form or as JSON.
func TestEventsDecode(t *testing.T) {
	s := open(t, openEvents)
	for _, test := range []struct {
		name, body string
		ids        []string
		values     string
		at         time.Time
	}{
		{"id of data", "event=ONCRMDEALADD&data[ID]=5", []string{"5"}, "", time.Time{}},
		{"id in lower case", "event=ONCRMDEALADD&data[fields][id]=5", []string{"5"}, "", time.Time{}},
		{"undefined in FIELDS", "event=ONCRMDEALADD&data[FIELDS][ID]=undefined&data[ID]=6", []string{"6"}, "", time.Time{}},
		{"undefined", "event=ONCRMDEALADD&data[FIELDS][ID]=undefined&data[FIELDS][X]=1", nil, "", time.Time{}},
		{"an address", "event=ONCRMADDRESSREGISTER&data[FIELDS][ID]=", nil, "", time.Time{}},
		{"a code for an id", "event=ONCRMCURRENCYADD&data[FIELDS][ID]=CHE", []string{"CHE"}, "", time.Time{}},
		{"empty in FIELDS", "event=ONCRMDEALADD&data[FIELDS][ID]=&data[ID]=6", []string{"6"}, "", time.Time{}},
		{"broken percent-encoding", "event=ONCRMDEALADD&data[FIELDS][ID]=5&data[FIELDS][TITLE]=50%&data[FIELDS][U]=%u041F%ff\xfc", []string{"5"}, `{"TITLE":"50%","U":"%u041F%ff%FC"}`, time.Time{}},
		{"an empty list for no data", `{"event":"ONCRMDEALADD","data":[]}`, nil, "", time.Time{}},
		{"a number", `{"event":"ONCRMDEALADD","data":{"FIELDS":{"ID":12345678901234567890123}}}`, []string{"12345678901234567890123"}, "", time.Time{}},
		{"ts", "event=ONCRMDEALADD&ts=1727018926", nil, "", time.Unix(1727018926, 0).UTC()},
		{"ts a number", `{"event":"ONCRMDEALADD","ts":1727018926}`, nil, "", time.Unix(1727018926, 0).UTC()},
		{"ts with an exponent", `{"event":"ONCRMDEALADD","ts":1.727018926E9}`, nil, "", time.Unix(1727018926, 0).UTC()},
		{"ts with a fraction", "event=ONCRMDEALADD&ts=1727018926.25", nil, "", time.Unix(1727018926, 250000000).UTC()},
		{"ts a word", "event=ONCRMDEALADD&ts=soon", nil, "", time.Time{}},
		{"ts past 9999", "event=ONCRMDEALADD&ts=253402300800", nil, "", time.Time{}},
		{"ts beyond all", "event=ONCRMDEALADD&ts=9223372036854775807", nil, "", time.Time{}},
		{"values", "event=ONCRMDEALADD&data[FIELDS][B]=1&data[FIELDS][ID]=5&data[FIELDS][A]=x%22", []string{"5"}, `{"B":"1","A":"x\""}`, time.Time{}},
		{"values of JSON", `{"event":"ONCRMDEALADD","data":{"FIELDS":{"ID":"5","N":1.10,"O":{"a":[]}}}}`, []string{"5"}, `{"N":1.10,"O":{"a":[]}}`, time.Time{}},
		{"values said twice", `{"event":"ONCRMDEALADD","data":{"FIELDS":{"ID":"5","N":1,"N":2}}}`, []string{"5"}, `{"N":[1,2]}`, time.Time{}},
		{"a suffix", "event=ONCRMDYNAMICITEMADD_1032&data[FIELDS][ID]=5", []string{"5"}, `{"ENTITY_TYPE_ID":"1032"}`, time.Time{}},
		{"a suffix and its own", "event=ONCRMDYNAMICITEMADD_1032&data[FIELDS][ID]=5&data[FIELDS][entity_type_id]=7", []string{"5"}, `{"entity_type_id":"7"}`, time.Time{}},
		{"a suffix without a record", "event=ONCRMDYNAMICITEMADD_1032", nil, "", time.Time{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := test.body + proven
			if strings.HasPrefix(body, "{") {
				body = strings.TrimSuffix(test.body, "}") + `,"auth":{"member_id":"` + member + `"}}`
			}
			changes, err := s.Decode(eventCallback([]byte(body)))
			if err != nil || len(changes) != 1 {
				t.Fatalf("%d changes: %v", len(changes), err)
			}
			var want map[string]json.RawMessage
			if test.values != "" {
				want = map[string]json.RawMessage{test.ids[0]: json.RawMessage(test.values)}
			}
			got := changes[0]
			if diff := cmp.Diff(test.ids, got.IDs); diff != "" || !got.OccurredAt.Equal(test.at) || got.Mark != "" || got.Account != member {
				t.Errorf("decoded %+v: %s", got, diff)
			}
			if diff := cmp.Diff(want, got.Values); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

// The collection names a portal only by a plain host name.
func TestCollection(t *testing.T) {
	s := open(t, openEvents)
	for domain, want := range map[string]string{
		"some-domain.bitrix24.com": "https://some-domain.bitrix24.com/crm/Deal",
		"crm.example.com:8443":     "https://crm.example.com:8443/crm/Deal",
		"":                         "/bitrix24/events/Deal",
		"a/b":                      "/bitrix24/events/Deal",
		"user@host":                "/bitrix24/events/Deal",
		"host:port":                "/bitrix24/events/Deal",
		"hôst":                     "/bitrix24/events/Deal",
		"a\nb":                     "/bitrix24/events/Deal",
	} {
		changes, err := s.Decode(eventCallback([]byte("event=ONCRMDEALADD&auth[domain]=" + url.QueryEscape(domain) + proven)))
		if err != nil || len(changes) != 1 || changes[0].Collection != want {
			t.Errorf("%q: %+v, %v", domain, changes, err)
		}
	}
}
