package zoho_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

const quoted = `a token with "quotes" and ünïcode`

// source takes every sample of testdata whose token is not null.
func source() *zoho.Notifications {
	return &zoho.Notifications{
		Account: "default",
		Tokens: ingest.Tokens{
			"1000000000045":        {"TOKEN_FOR_VERIFICATION_OF_1000000000045"},
			"1000000068001":        {"an-older-token", "TOKEN_FOR_VERIFICATION_OF_1000000068001"},
			"-9223372036854775808": {quoted},
		},
		TokenSecrets: ingest.SecretList{"the-new-master-secret", "the-old-master-secret"},
	}
}

func mapping(t testing.TB, s ingest.Source) *transform.Mapping {
	t.Helper()
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	redactor := transform.NewRedactor(map[string]ingest.Secrets{zoho.NotificationsLabel: s.Secrets()})
	return &transform.Mapping{Schemas: set, Redact: redactor}
}

func callback(raw []byte, query string) ingest.Callback {
	return ingest.Callback{
		Source: zoho.NotificationsLabel, At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Method: http.MethodPost,
		Path: "/zoho/notifications", Query: body.Values(query), Header: http.Header{}, Body: raw,
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Every notification that the documents show, or that was seen live, becomes the event of its golden file.
func TestNotificationsBecomeEvents(t *testing.T) {
	s := source()
	m := mapping(t, s)
	samples, err := filepath.Glob("testdata/notification-*.json")
	if err != nil || len(samples) < 6 {
		t.Fatalf("found %d samples: %v", len(samples), err)
	}
	for _, path := range samples {
		if strings.HasSuffix(path, ".event.json") {
			continue
		}
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			cb := callback(read(t, name), "")
			if strings.Contains(name, "null-token") {
				cb.Query = url.Values{"channel": {"1745564708612968000"}, "proof": {zoho.ChannelProof("the-old-master-secret", "1745564708612968000")}}
			}
			if err := s.Verify(t.Context(), cb); err != nil {
				t.Fatal(err)
			}
			changes, err := s.Decode(cb)
			if err != nil {
				t.Fatal(err)
			}
			events, err := m.Events(changes[0])
			if err != nil || len(events) != 1 {
				t.Fatalf("%d events: %v", len(events), err)
			}
			e := events[0]
			if changes[0].Mark == "" {
				if len(e.ID) != 36 || e.ID[14] != '7' {
					t.Errorf("id %q is not a UUIDv7, though nothing makes it repeatable", e.ID)
				}
				e.ID = "00000000-0000-7000-8000-000000000000"
			}
			var got bytes.Buffer
			compact := e.AppendJSON(nil)
			if err := json.Indent(&got, compact, "", "  "); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(name, ".json") + ".event.json"
			if *ingesttest.Update {
				if err := os.WriteFile(filepath.Join("testdata", golden), append(got.Bytes(), '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(read(t, golden)), got.String()+"\n"); diff != "" {
				t.Errorf("event differs from %s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

// What does not prove its origin is refused: a null token, another channel's token, a proof without its channel.
func TestNotificationsVerify(t *testing.T) {
	const channel, secret = "77", "the-new-master-secret"
	body := func(channel, token string) string {
		return `{"module":"Deals","operation":"update","ids":["1"],"channel_id":` + channel + `,"token":` + token + `}`
	}
	quote := func(s string) string { return `"` + s + `"` }
	proof := "channel=77&proof=" + zoho.ChannelProof(secret, channel)
	seen := source() // the channel's token and proof are in its cache
	if _, err := seen.Decode(callback([]byte(body(`"77"`, `null`)), proof)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, body, query string
		genuine           bool
	}{
		{"token of the channel", body(`"1000000000045"`, `"TOKEN_FOR_VERIFICATION_OF_1000000000045"`), "", true},
		{"an alternative token", body(`"1000000068001"`, `"an-older-token"`), "", true},
		{"channel as a number", body(`1000000068001`, `"an-older-token"`), "", true},
		{"token of another channel", body(`"1000000000045"`, `"an-older-token"`), "", false},
		{"derived token", body(`"77"`, quote(zoho.ChannelToken(secret, channel))), "", true},
		{"derived token, older secret", body(`"77"`, quote(zoho.ChannelToken("the-old-master-secret", channel))), "", true},
		{"derived token of another channel", body(`"78"`, quote(zoho.ChannelToken(secret, channel))), "", false},
		{"proof used as token", body(`"77"`, quote(zoho.ChannelProof(secret, channel))), "", false},
		{"the master secret itself", body(`"77"`, quote(secret)), "", false},
		{"null token", body(`"77"`, `null`), "", false},
		{"empty token", body(`"77"`, `""`), proof, false},
		{"token true", body(`"77"`, `true`), proof, false},
		{"token as a list", body(`"77"`, `["`+zoho.ChannelToken(secret, channel)+`"]`), proof, false},
		{"null token with proof", body(`"77"`, `null`), proof, true},
		{"null token with the proof of another channel", body(`"78"`, `null`), proof, false},
		{"wrong token with proof", body(`"77"`, `"wrong"`), proof, false},
		{"no token with proof", `{"channel_id":"77"}`, proof, true},
		{"proof without channel", body(`"77"`, `null`), "proof=" + zoho.ChannelProof(secret, channel), false},
		{"token of the channel as proof", body(`"77"`, `null`), "channel=77&proof=" + zoho.ChannelToken(secret, channel), false},
		{"not UTF-8", strings.Replace(body(`"77"`, quote(zoho.ChannelToken(secret, channel))), "Deals", "\xff", 1), "", true},
		{"not UTF-8, another token", strings.Replace(body(`"78"`, quote(zoho.ChannelToken(secret, channel))), "Deals", "\xff", 1), "", false},
		{"cut off behind the token", strings.TrimSuffix(body(`"77"`, quote(zoho.ChannelToken(secret, channel))), "}"), "", true},
		{"cut off in the token", strings.TrimSuffix(body(`"77"`, quote(zoho.ChannelToken(secret, channel))), `"}`), "", false},
		{"cut off in the token, with proof", strings.TrimSuffix(body(`"77"`, quote(zoho.ChannelToken(secret, channel))), `"}`), proof, true},
		{"text behind its end", body(`"77"`, quote(zoho.ChannelToken(secret, channel))) + "x", "", true},
		{"a line break in a string", strings.Replace(body(`"77"`, quote(zoho.ChannelToken(secret, channel))), "Deals", "\n\x00", 1), "", true},
		{"an escape that JSON has not", strings.Replace(body(`"77"`, quote(zoho.ChannelToken(secret, channel))), "Deals", `\x41`, 1), "", true},
		{"UTF-16", "\xff\xfe" + wide(body(`"77"`, quote(zoho.ChannelToken(secret, channel)))), "", true},
		{"cut off, another token last", `{"channel_id":"77","token":` + quote(zoho.ChannelToken(secret, channel)) + `,"token":"x","ids":`, "", false},
		{"proof beside broken percent-encoding", body(`"77"`, `null`), "x=50%&a;b&" + proof + "&%ff", true},
		{"unreadable with proof", `{"module":`, proof, true},
		{"unreadable without proof", `{"module":`, "", false},
		{"nothing", ``, "", false},
		{"names in another letter case", `{"Channel_ID":"1000000000045","TOKEN":"TOKEN_FOR_VERIFICATION_OF_1000000000045"}`, "", false},
		{"another name beside it", `{"channel_id":"1000000000045","token":"TOKEN_FOR_VERIFICATION_OF_1000000000045","Token":"x"}`, "", true},
		{"a list", `[1]`, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for what, s := range map[string]*zoho.Notifications{"before": source(), "after": seen} {
				err := s.Verify(t.Context(), callback([]byte(test.body), test.query))
				if test.genuine && err != nil {
					t.Errorf("%s the first of its channel, it is refused: %v", what, err)
				}
				if !test.genuine && !errors.Is(err, ingest.ErrForged) {
					t.Errorf("%s the first of its channel, it is not refused as forged: %v", what, err)
				}
			}
		})
	}
}

// A notify URL that we make can be called as it is, and proves the callback that it brings.
func TestNotifyURL(t *testing.T) {
	const channel = "-9 223&x=1"
	made, err := url.Parse(zoho.NotifyURL("https://crm.example.com/", "the-new-master-secret", channel))
	if err != nil || made.Path != "/zoho/notifications" || strings.ContainsAny(made.RawQuery, " #") {
		t.Fatalf("%s: %v", made, err)
	}
	if err := source().Verify(t.Context(), callback([]byte(`{"token":null}`), made.RawQuery)); err != nil {
		t.Errorf("its callback is refused: %v", err)
	}
}

// A token of "*" serves the channels without a line of their own, and only those.
func TestStarToken(t *testing.T) {
	s := &zoho.Notifications{Tokens: ingest.Tokens{"*": {"for-the-others"}, "1": {"own"}}}
	for channel, want := range map[string]bool{"2": true, "1": false} {
		err := s.Verify(t.Context(), callback([]byte(`{"channel_id":"`+channel+`","token":"for-the-others"}`), ""))
		if (err == nil) != want {
			t.Errorf("channel %s: %v", channel, err)
		}
	}
}

// What Zoho would never send, though it was proven, is malformed: it goes to quarantine, not into a subject.
func TestNotificationsDecodeRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"not JSON":              `{"module":`,
		"not an object":         `["Deals"]`,
		"not UTF-8":             "{\"module\":\"\xff\"}",
		"no module":             `{"operation":"update","ids":["1"],"channel_id":"1"}`,
		"module with a dot":     `{"module":"Deals.x","operation":"update","ids":["1"],"channel_id":"1"}`,
		"module with a star":    `{"module":"*","operation":"update","ids":["1"],"channel_id":"1"}`,
		"module too long":       `{"module":"` + strings.Repeat("a", 101) + `","operation":"update","ids":["1"],"channel_id":"1"}`,
		"module a number":       `{"module":7,"operation":"update","ids":["1"],"channel_id":"1"}`,
		"no operation":          `{"module":"Deals","ids":["1"],"channel_id":"1"}`,
		"operation with a dash": `{"module":"Deals","operation":"up-date","ids":["1"],"channel_id":"1"}`,
		"no ids":                `{"module":"Deals","operation":"update","channel_id":"1"}`,
		"empty ids":             `{"module":"Deals","operation":"update","ids":[],"channel_id":"1"}`,
		"id with a space":       `{"module":"Deals","operation":"update","ids":["1 2"],"channel_id":"1"}`,
		"id empty":              `{"module":"Deals","operation":"update","ids":["1",""],"channel_id":"1"}`,
		"id null":               `{"module":"Deals","operation":"update","ids":[null],"channel_id":"1"}`,
		"id a merge field":      `{"module":"Deals","operation":"update","ids":["${Deals.Id}"],"channel_id":"1"}`,
		"not UTF-8 inside":      "{\"module\":\"Deals\",\"operation\":\"update\",\"ids\":[\"1\"],\"channel_id\":\"1\",\"a\":\"\xff\"}",
		"id a fraction":         `{"module":"Deals","operation":"update","ids":[1.5],"channel_id":"1"}`,
		"id with a line break":  `{"module":"Deals","operation":"update","ids":["1\n2"],"channel_id":"1"}`,
		"no channel":            `{"module":"Deals","operation":"update","ids":["1"]}`,
		"channel a fraction":    `{"module":"Deals","operation":"update","ids":["1"],"channel_id":1e9}`,
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := source().Decode(callback([]byte(body), ""))
			if !errors.Is(err, ingest.ErrMalformed) {
				t.Errorf("decoded to %+v, %v", changes, err)
			}
		})
	}
}

// Two callbacks without server_time are two events; with one, the id follows from what tells changes apart.
func TestIDs(t *testing.T) {
	s := source()
	m := mapping(t, s)
	id := func(body string) string {
		changes, err := s.Decode(callback([]byte(body), ""))
		if err != nil {
			t.Fatal(err)
		}
		events, err := m.Events(changes[0])
		if err != nil {
			t.Fatal(err)
		}
		return events[0].ID
	}
	const base = `{"module":"Deals","operation":"update","ids":["1","23"],"channel_id":"1","server_time":1718115953625}`
	if len(id(base)) != 43 || id(base) != id(strings.Replace(base, `"update"`, `"EDIT"`, 1)) {
		t.Error("the same change has two ids")
	}
	for _, other := range []string{
		strings.Replace(base, "Deals", "Leads", 1), strings.Replace(base, "update", "delete", 1), strings.Replace(base, `"1","23"`, `"12","3"`, 1),
		strings.Replace(base, `"channel_id":"1"`, `"channel_id":"2"`, 1), strings.Replace(base, "625}", "626}", 1),
	} {
		if id(other) == id(base) {
			t.Errorf("another change has the same id: %s", other)
		}
	}
	for _, odd := range []string{`"now"`, `0`, `-5`, `999999999999999999`, `1.5e99`, `1e-3`, `"1e999999999"`, `null`, `{}`} {
		odd := strings.Replace(base, "1718115953625", odd, 1)
		if first, second := id(odd), id(odd); first == second {
			t.Errorf("one id for two deliveries that nothing tells apart: %s", odd)
		}
	}
	for _, same := range []string{`"1718115953625"`, `1.718115953625E12`, `1.718115953625e+12`, `"1.718115953625E12"`, `1718115953625.0`, `17181159536250e-1`} {
		if id(strings.Replace(base, "1718115953625", same, 1)) != id(base) {
			t.Errorf("the same moment written as %s is another change", same)
		}
	}
	unmarked := strings.Replace(base, `,"server_time":1718115953625`, "", 1)
	if first, second := id(unmarked), id(unmarked); first == second {
		t.Error("two changes that nothing tells apart have one id")
	}
}
