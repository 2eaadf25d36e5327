package bitrix24_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/transform"
)

const (
	fieldMember = "memb0123456789abcdef"
	fieldToken  = "apptok0123456789abcdef"
	fieldSecret = "wf-sec-55555555"
)

// planted finds the credentials in a test's callback.
var planted = regexp.MustCompile(`SUPERSEC[A-Za-z0-9]*`)

func fieldSource(t *testing.T, label string) ingest.Source {
	t.Helper()
	opener := map[string]func(ingest.Setup) (ingest.Source, error){bitrix24.EventsLabel: openEvents, bitrix24.WorkflowsLabel: openWorkflows}[label]
	s, err := opener(setup(ingest.Tokens{fieldMember: {fieldToken}}, ingest.SecretList{fieldSecret}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// leavesNothing runs the suite of a source on one callback: nothing that is planted in it may leave.
func leavesNothing(t *testing.T, label string, g ingesttest.Genuine) {
	t.Helper()
	g.Method = http.MethodPost
	g.Secrets = []string{map[string]string{bitrix24.EventsLabel: fieldToken, bitrix24.WorkflowsLabel: fieldSecret}[label]}
	g.Secrets = append(g.Secrets, planted.FindAllString(g.Target+string(g.Body), -1)...)
	ingesttest.Callbacks(t, &ingest.CRM{Sources: []ingest.Source{fieldSource(t, label)}}, g)
}

// Requests as they were seen: the token of a method's confirmation, and a robot's event_token.
func TestCredentialsOfTheField(t *testing.T) {
	for name, label := range map[string]string{"credentials-method-confirm.http": bitrix24.EventsLabel, "credentials-robot.http": bitrix24.WorkflowsLabel} {
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(read(t, name))))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Fatal(err)
		}
		leavesNothing(t, label, ingesttest.Genuine{Name: name, Target: request.RequestURI, Header: request.Header, Body: body})
	}
}

// credentialFields are credentials under names that Bitrix24 and its applications use, or may.
var credentialFields = []string{
	"auth[access_token]", "auth[refresh_token]", "auth[sid]", "auth[anything_new]", "auth[domain][x]", "AUTH[Code]", "auth[]", "auth[user_id][0]",
	"AUTH_ID", "REFRESH_ID", "APP_SID", "auth_id", "Auth_Token", "event_token", "bot_token", "accessToken", "apiKey", "api-key", "X_API_KEY", "private_key",
	"PASSWORD", "db_passwd", "client_secret", "SESSID", "token", "tokens[0]", "token[value]", "credentials[user]",
	"data[TOKEN]", "data[auth_token]", "data[AUTH_ID]", "data[BOT][39][AUTH][access_token]", "data[BOT][39][application_token]", "data[COMMAND][1][auth][sid]",
	"properties[api_key]", "properties[Password]", "properties[auth][token]", "data[FIELDS][access_token]", "data[FIELDS][X][refresh_token]", "data[FIELDS][AUTH_ID]", "data[FIELDS][token][]",
	"auth.access_token", "auth[access_token", "auth%5Banything%5D", "pass", "data[Bearer]", "properties[cookie]", "data[PARAMS][a][b][secret_key]", "Authorization",
}

func TestNoCredentialLeavesUnderItsName(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and on one goroutine")
	}
	event := url.Values{"event": {"ONCRMDEALUPDATE"}, "data[FIELDS][ID]": {"3"}, "auth[member_id]": {fieldMember}, "auth[application_token]": {fieldToken}, "auth[domain]": {"some.bitrix24.com"}}
	step := url.Values{"document_id[0]": {"crm"}, "document_id[1]": {"CCrmDocumentDeal"}, "document_id[2]": {"DEAL_18"}, "auth[member_id]": {fieldMember}}
	for i, name := range credentialFields {
		secret := "SUPERSEC" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		if i%2 == 0 {
			secret += "x0123456789" // as long as a token, and shorter than any
		}
		event.Set(name, secret)
		step.Set(name, secret)
	}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	leavesNothing(t, bitrix24.EventsLabel, ingesttest.Genuine{Name: "event, form", Target: "/bitrix24/events?AUTH_ID=SUPERSECurl", Header: form, Body: []byte(event.Encode())})
	leavesNothing(t, bitrix24.WorkflowsLabel, ingesttest.Genuine{Name: "workflow, form", Target: "/bitrix24/workflows/edit?secret=" + fieldSecret + "&APP_SID=SUPERSECurl&auth=SUPERSECauth", Header: form, Body: []byte(step.Encode())})
	leavesNothing(t, bitrix24.WorkflowsLabel, ingesttest.Genuine{Name: "workflow, form, as text", Target: "/bitrix24/workflows/edit?secret=" + fieldSecret, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte(step.Encode())})
	for _, body := range []string{
		`{"event":"onCrmDealUpdate","AUTH_ID":"SUPERSECid","data":{"TOKEN":"SUPERSECtok","FIELDS":{"ID":"3","access_token":"SUPERSECfld","X":{"Refresh_Token":"SUPERSECdeep"}},"a":[{"auth_token":"SUPERSEClist"}]},
			"auth":{"member_id":"` + fieldMember + `","application_token":"` + fieldToken + `","domain":"some.bitrix24.com","sid":"SUPERSECsid","scope":{"x":"SUPERSECscope"},"new":[{"y":"SUPERSECnew"}]}}`,
		`{"event":"onCrmDealUpdate","data":{"FIELDS":{"ID":"3"}},"\u0041UTH_ID":"SUPERSECid","auth[sid]":"SUPERSECsid","auth":{"Member_Id":"` + fieldMember + `","application_token":"` + fieldToken + `","a\u0063cess":"SUPERSECacc"}}`,
	} {
		leavesNothing(t, bitrix24.EventsLabel, ingesttest.Genuine{Name: "event, JSON", Target: "/bitrix24/events", Body: []byte(body)})
	}
}

// What is no credential stays, beside all of those: the envelope's own members, and every field that a customer has added to
// a record, whatever it is called.
func TestWhatIsNoCredentialStays(t *testing.T) {
	s := fieldSource(t, bitrix24.EventsLabel)
	kept := map[string]string{
		"auth[domain]": "some.bitrix24.com", "auth[member_id]": fieldMember, "auth[client_endpoint]": "https://some.bitrix24.com/rest/", "auth[server_endpoint]": "https://oauth.bitrix.info/rest/",
		"auth[status]": "L", "auth[scope]": "crm,task", "auth[expires_in]": "3600", "auth[expires]": "1727022526", "auth[user_id]": "1",
		"event": "ONCRMDEALUPDATE", "event_handler_id": "58", "data[FIELDS][ID]": "3", "ts": "1727018926", "workflow_id": "681b6392a30743.60451827",
		"data[FIELDS][UF_CRM_TOKEN]": "B-12", "data[FIELDS][UF_PASSWORD]": "Bluebird", "data[FIELDS][TOKEN_COUNT]": "7", "data[LANGUAGE_ID]": "en", "properties[subject]": "Secretary",
		"AUTH_EXPIRES": "3600", "token_type": "bearer", "properties[secretary]": "Ada", "author_id": "7", "keyboard": "qwerty",
	}
	form := url.Values{"auth[application_token]": {fieldToken}}
	for name, value := range kept {
		form.Set(name, value)
	}
	changes, err := s.Decode(eventCallback([]byte(form.Encode())))
	if err != nil {
		t.Fatal(err)
	}
	events, err := mapping(t, bitrix24.EventsLabel, s).Events(changes[0])
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		Values map[string]map[string]string
		Native struct{ Body map[string]string }
	}
	if err := json.Unmarshal(events[0].Data, &data); err != nil {
		t.Fatal(err)
	}
	for name, value := range kept {
		if data.Native.Body[name] != value {
			t.Errorf("%s is %q", name, data.Native.Body[name])
		}
		if field, ok := strings.CutPrefix(name, "data[FIELDS]["); ok && field != "ID]" && data.Values["3"][strings.TrimSuffix(field, "]")] != value {
			t.Errorf("%s is not among the values: %v", field, data.Values)
		}
	}
	if len(data.Native.Body) != len(kept) {
		t.Errorf("%d names were kept of %d: %v", len(data.Native.Body), len(kept), data.Native.Body)
	}
}

// A secret of any characters proves a callback, and is gone from what is made of it; a comma alone separates secrets.
func TestSecretsOfAnyCharacters(t *testing.T) {
	var list ingest.SecretList
	if err := list.Decode(`a+b/c%d&e=f#g:h, two words; and more ,"quoted" <tag> 'x'\y,ünïcödé-sécret-ß,%41%42%43%44%45%46`); err != nil || len(list) != 5 {
		t.Fatalf("%q: %v", list, err)
	}
	for _, secret := range list {
		opened := map[string]ingest.Source{}
		for label, opener := range map[string]func(ingest.Setup) (ingest.Source, error){bitrix24.EventsLabel: openEvents, bitrix24.WorkflowsLabel: openWorkflows} {
			s, err := opener(setup(ingest.Tokens{fieldMember: {secret}}, list))
			if err != nil {
				t.Fatal(err)
			}
			opened[label] = s
		}
		encoded := url.QueryEscape(secret)
		inJSON, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		step := "document_id[2]=DEAL_18&note=" + encoded
		for how, cb := range map[string]ingest.Callback{
			"form":      eventCallback([]byte("event=ONCRMDEALUPDATE&data[FIELDS][ID]=3&auth[member_id]=" + fieldMember + "&auth[application_token]=" + encoded + "&note=see+" + encoded)),
			"JSON":      eventCallback([]byte(`{"event":"onCrmDealUpdate","data":{"FIELDS":{"ID":"3"}},"auth":{"member_id":"` + fieldMember + `","application_token":` + string(inJSON) + `},"note":` + string(inJSON) + `}`)),
			"URL":       workflowCallback("edit", []byte(step), "secret="+encoded+"&again="+encoded),
			"URL, %20":  workflowCallback("edit", []byte(step), "secret="+strings.ReplaceAll(encoded, "+", "%20")),
			"URL, Go's": workflowCallback("edit", []byte(step), url.Values{"secret": {secret}}.Encode()),
		} {
			s := opened[cb.Source]
			if err := s.Verify(t.Context(), cb); err != nil {
				t.Errorf("%s, %s: %v", secret, how, err)
			}
			changes, err := s.Decode(cb)
			if err != nil {
				t.Fatal(err)
			}
			m := mapping(t, cb.Source, s)
			out, err := allKept(m, changes[0], cb)
			if err != nil {
				t.Fatal(err)
			}
			for _, written := range []string{secret, encoded, strings.Trim(string(inJSON), `"`)} {
				if strings.Contains(out, written) {
					t.Errorf("%s, %s: %s", secret, how, out)
				}
			}
		}
	}
}

// allKept returns all that would be kept of a callback: its events, and a copy in quarantine.
func allKept(m *transform.Mapping, change ingest.Change, cb ingest.Callback) (string, error) {
	events, err := encoded(m)(change)
	if err != nil {
		return "", err
	}
	kept, err := m.Redact.Quarantine("id", cb, ingest.ErrMalformed)
	return string(bytes.Join(append(events, kept), nil)), err
}
