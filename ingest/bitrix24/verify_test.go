package bitrix24_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// wide spells ASCII as UTF-16.
func wide(text string) string { return strings.Join(strings.Split(text, ""), "\x00") + "\x00" }

// hidden spells ASCII as a form in UTF-16 would.
func hidden(text string) string { return url.QueryEscape(wide(text)) }

// What does not prove its origin is refused: another portal's token, a token said twice, a body that nobody can read.
func TestEventsVerify(t *testing.T) {
	s := open(t, openEvents)
	for _, test := range []struct {
		name, contentType, body string
		genuine                 bool
	}{
		{"a form", "", "event=x" + proven, true},
		{"an alternative token", "", "auth[member_id]=" + member + "&auth[application_token]=an-older-token", true},
		{"names in any letter case", "", "AUTH[Member_Id]=" + member + "&Auth[APPLICATION_TOKEN]=" + token, true},
		{"JSON under the header of a form", "application/x-www-form-urlencoded", `{"auth":{"member_id":"` + member + `","application_token":"` + token + `"}}`, true},
		{"a form under the header of JSON", "application/json", "event=x" + proven, true},
		{"JSON behind spaces and a byte order mark", "", "\ufeff \n" + `{"AUTH":{"member_id":"` + member + `","application_token":"` + token + `"}}`, true},
		{"windows-1251", "application/x-www-form-urlencoded; charset=windows-1251", "a=%EF%F0%E8" + proven, true},
		{"token of another portal", "", "auth[member_id]=quoted&auth[application_token]=" + token, false},
		{"an unheard-of portal", "", "auth[member_id]=b&auth[application_token]=" + token, false},
		{"no member_id", "", "auth[application_token]=" + token, false},
		{"empty member_id", "", "auth[member_id]=&auth[application_token]=" + token, false},
		{"member_id with a space", "", "auth[member_id]=a+b&auth[application_token]=" + token, false},
		{"no token", "", "auth[member_id]=" + member, false},
		{"empty token", "", "auth[member_id]=" + member + "&auth[application_token]=", false},
		{"token without brackets", "", "auth[member_id]=" + member + "&application_token=" + token, false},
		{"token in deeper brackets", "", "auth[member_id]=" + member + "&auth[application_token][0]=" + token, false},
		{"token said twice", "", "auth[application_token]=wrong" + proven, false},
		{"token said twice in another letter case", "", "AUTH[application_token]=wrong" + proven, false},
		{"member_id said twice", "", "auth[MEMBER_ID]=quoted" + proven, false},
		{"JSON that says the token twice", "", `{"auth":{"member_id":"` + member + `","application_token":"` + token + `","Application_Token":"x"}}`, false},
		{"JSON that says auth twice", "", `{"auth":{"member_id":"` + member + `","application_token":"` + token + `"},"AUTH":{"member_id":"quoted"}}`, false},
		{"token null", "", `{"auth":{"member_id":"` + member + `","application_token":null}}`, false},
		{"token true", "", `{"auth":{"member_id":"` + member + `","application_token":true}}`, false},
		{"token a list", "", `{"auth":{"member_id":"` + member + `","application_token":["` + token + `"]}}`, false},
		{"member_id a number", "", `{"auth":{"member_id":1,"application_token":"` + token + `"}}`, false},
		{"auth a string", "", `{"auth":"` + token + `"}`, false},
		{"form names in JSON", "", `{"auth[member_id]":"` + member + `","auth[application_token]":"` + token + `"}`, false},
		{"cut off", "", `{"auth":{"member_id":"` + member + `","application_token":"` + token + `"}`, true},
		{"cut off in the token", "", `{"auth":{"member_id":"` + member + `","application_token":"` + token, false},
		{"cut off, said twice", "", `{"auth":{"member_id":"` + member + `","application_token":"` + token + `","application_token":"x"},"data":`, false},
		{"not UTF-8", "", `{"data":{"FIELDS":{"T":"` + "\xff" + `"}},"auth":{"member_id":"` + member + `","application_token":"` + token + `"}}`, true},
		{"behind its end", "", `{"auth":{"member_id":"` + member + `","application_token":"` + token + `"}}x`, true},
		{"broken percent-encoding", "", "a=%zz" + proven, true},
		{"broken characters", "", "a=%ff&b=\xff&%=1" + proven, true},
		{"more than 1,000 parameters", "", strings.Repeat("a=1&", 1000) + proven, true},
		{"more than 1,000 parameters and the token twice", "", strings.Repeat("a=1&", 1000) + proven + proven, false},
		{"more than 1,000 parameters between two tokens", "", "auth[application_token]=x&" + strings.Repeat("a=1&", 1000) + proven, false},
		{"more than 1,000 fields", "", `{"x":[1],` + strings.Repeat(`"a":1,`, 1000) + `"auth":{"member_id":"` + member + `","application_token":"` + token + `"}}`, true},
		{"an unheard-of charset", "text/plain; charset=klingon", "event=x" + proven, true},
		{"a broken Content-Type", "text/plain; charset=\"", "event=x" + proven, true},
		{"a charset that hides ASCII", "application/json; charset=utf-16le", wide(`{"auth":{"member_id":"` + member + `","application_token":"` + token + `"}}`), true},
		{"UTF-16 with a byte order mark", "", "\xff\xfe" + wide(`{"auth":{"member_id":"`+member+`","application_token":"`+token+`"}}`), true},
		{"a form that hides ASCII", "application/x-www-form-urlencoded; charset=utf-16le", "%61%00=1&" + hidden("auth[member_id]") + "=" + hidden(member) + "&" + hidden("auth[application_token]") + "=" + hidden(token), false},
		{"nothing", "", "", false},
		{"a list", "", `[{"auth":{"member_id":"` + member + `","application_token":"` + token + `"}}]`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			cb := eventCallback([]byte(test.body))
			cb.Header.Set("Content-Type", test.contentType)
			err := s.Verify(t.Context(), cb)
			if test.genuine && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !test.genuine && !errors.Is(err, ingest.ErrForged) {
				t.Errorf("not refused as forged: %v", err)
			}
			if err != nil && strings.Contains(err.Error(), token) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

// With nothing configured the made secret serves every portal; a bridge that may not make one refuses all.
func TestMadeSecret(t *testing.T) {
	s, err := openEvents(setup(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), eventCallback([]byte("auth[member_id]=any&auth[application_token]=made+for+bitrix24-application-token"))); err != nil {
		t.Error(err)
	}
	without := setup(nil, nil)
	without.MadeSecret = func(string) (string, error) { return "", nil }
	if s, err = openEvents(without); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), eventCallback([]byte("event=x"+proven))); !errors.Is(err, ingest.ErrForged) {
		t.Errorf("not refused: %v", err)
	}
	if _, err := s.(ingest.Sampler).Sample(ingest.Change{Module: "Deal", Operation: "edit"}, ""); err == nil || !strings.Contains(err.Error(), "BRIDGE_BITRIX24_TOKENS") {
		t.Errorf("the error does not name the variable: %v", err)
	}
	failing := setup(nil, nil)
	failing.MadeSecret = func(string) (string, error) { return "", errors.New("disk full") }
	if _, err := openEvents(failing); err == nil {
		t.Error("opened without its secret")
	}
}

// The error of a forgery names the portal that it claims to be, clipped and escaped; a token in its place is not shown.
func TestForgeryNamesItsPortal(t *testing.T) {
	s := open(t, openEvents)
	for claimed, want := range map[string]string{
		"0123456789abcdef0123456789abcdef": `it claims to be "0123456789abcdef0123456789abcdef"`,
		strings.Repeat("a", 200):           `it claims to be "` + strings.Repeat("a", 40) + `..."`,
		`"ü`:                               `it claims to be "\"\u00fc"`,
		token:                              `it claims to be "***"`,
		token + "-" + token:                `it claims to be "***"`,
	} {
		err := s.Verify(t.Context(), eventCallback([]byte("auth[member_id]="+url.QueryEscape(claimed)+"&auth[application_token]=wrong")))
		switch {
		case !errors.Is(err, ingest.ErrForged):
			t.Errorf("%s: %v", claimed, err)
		case !strings.HasSuffix(err.Error(), `it claims to be "***"`):
			t.Errorf("%s: %v", claimed, err)
		case !strings.HasSuffix(ingest.Show(err, s.Secrets().Values), want):
			t.Errorf("%s: %v", claimed, err)
		}
	}
}
