package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// requestsEnv is what the requests of testdata are made for.
var requestsEnv = []string{
	"BRIDGE_ZOHO_TOKENS=1000000068001:tok-AAAA-0000000001", "BRIDGE_ZOHO_WEBHOOK_SECRET=wh-sec-77777777",
	"BRIDGE_BITRIX24_TOKENS=memb0123456789abcdef:apptok0123456789abcdef", "BRIDGE_BITRIX24_WORKFLOW_SECRET=wf-sec-55555555",
}

// seen is a request that was seen in the field, and what has to come of it.
type seen struct {
	file, subject, record string
	at                    time.Time
	native                string // stands in native
	status                int
}

// Requests of the field become events, or wait in quarantine; none is called forged, and none leaves its tokens.
func TestRequestsOfTheField(t *testing.T) {
	b := start(t, t.TempDir(), requestsEnv...)
	for _, want := range []seen{
		{file: "01-zoho-webhook-url-percent", subject: "crm.zoho.Deals.edit", record: "1", native: `"disc":"50%"`},
		{file: "05-b24-events-percent-in-one-field", subject: "crm.bitrix24.Deal.edit", record: "3", native: `"data[FIELDS][TITLE]":"50%"`, at: time.Unix(1727018926, 0)},
		{file: "06-b24-workflow-url-percent", subject: "crm.bitrix24.Deal.edit", record: "1", native: `"query":{"title":"50%"}`},
		{file: "07-b24-methodconfirm-access-token", subject: "crm.bitrix24.Unknown.onappmethodconfirm", native: `"data[METHOD]":"voximplant.user.get"`},
		{file: "09-b24-robot-event-token", subject: "crm.bitrix24.Deal.edit", record: "18", native: `"workflow_id":"681b6392a30743.60451827"`},
		{file: "10-b24-robot-time", subject: "crm.bitrix24.Deal.edit", record: "18", at: time.Date(2025, 5, 7, 13, 43, 46, 0, time.UTC)},
		{file: "13-zoho-webhook-json-odd-type-1", subject: "crm.zoho.Deals.edit", record: "25", native: `"body":{"id":"25"}`},
		{file: "13-zoho-webhook-json-odd-type-3", subject: "crm.zoho.Deals.edit", record: "25", native: `"body":{"id":"25"}`},
		{file: "14-zoho-webhook-placeholder-as-id", status: 400},
		{file: "15-zoho-webhook-xml-declares-latin1", subject: "crm.zoho.Deals.edit", record: "2", native: `<n>Müller</n>`},
	} {
		t.Run(want.file, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", "requests", want.file+".http"))
			if err != nil {
				t.Fatal(err)
			}
			want.check(t, b, sendRaw(t, b, raw))
		})
	}
	for where, text := range map[string]string{"a stream": streams(t, b.NATS), "the log": b.Log()} {
		for _, secret := range []string{"SUPERSEC", "apptok0123456789abcdef", "wh-sec-77777777", "wf-sec-55555555"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s: %s", where, secret, text)
			}
		}
	}
}

func (s seen) check(t *testing.T, b *bridge, got answer) {
	t.Helper()
	if s.status == 400 {
		if got.Status != 400 || got.QuarantineID == "" {
			t.Errorf("answered %d %s", got.Status, got.Text)
		}
		return
	}
	if got.Status != 200 || len(got.Events) != 1 {
		t.Fatalf("answered %d %s", got.Status, got.Text)
	}
	e := stored(t, b, got.Events[0].Sequence)
	if got.Events[0].Subject != s.subject || e.Subject != s.record || !strings.Contains(string(e.Data.Native), s.native) {
		t.Errorf("became %s %+v with %s", got.Events[0].Subject, e, e.Data.Native)
	}
	if !s.at.IsZero() && (!e.Time.Equal(s.at) || !e.Data.OccurredAt.Equal(s.at)) {
		t.Errorf("happened at %s and %s, not %s", e.Time, e.Data.OccurredAt, s.at)
	}
}

type storedEvent struct {
	Subject string
	Time    time.Time
	Data    struct {
		OccurredAt time.Time
		Native     json.RawMessage
	}
}

func stored(t *testing.T, b *bridge, sequence uint64) (e storedEvent) {
	t.Helper()
	conn, err := nats.Connect(b.NATS)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(t.Context(), sequence)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(msg.Data, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// sendRaw writes a request byte for byte.
func sendRaw(t *testing.T, b *bridge, raw []byte) answer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.Callbacks, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = conn.Write(raw) }()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{Status: response.StatusCode, Text: string(text)}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("answered %d %s", response.StatusCode, text)
	}
	return got
}

// raw is a request with the bytes that Go's client would not send.
func raw(target, contentType, body string) []byte {
	var request bytes.Buffer
	request.WriteString("POST " + target + " HTTP/1.1\r\nHost: bridge.example\r\nConnection: close\r\n")
	if contentType != "" {
		request.WriteString("Content-Type: " + contentType + "\r\n")
	}
	request.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	return request.Bytes()
}

// Whatever is badly encoded beside a right proof, it is not called forged; and a wrong one beside it still is.
func TestProofBesideBadEncoding(t *testing.T) {
	b := start(t, t.TempDir(), requestsEnv...)
	const form, multi = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
	part := func(head, value string) string {
		return "--x\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + value + "\r\n"
	}
	const webhook, events, workflow, notifications = "/zoho/webhooks/Deals/edit", "/bitrix24/events", "/bitrix24/workflows/edit", "/zoho/notifications"
	const auth, document = "&auth[member_id]=memb0123456789abcdef&auth[application_token]=apptok0123456789abcdef", "document_id[0]=crm&document_id[1]=x&document_id[2]=DEAL_1"
	const jsonAuth, zoho = `"auth":{"member_id":"memb0123456789abcdef","application_token":"apptok0123456789abcdef"}`, `"operation":"update","ids":["1"],"channel_id":"1000000068001","token":"tok-AAAA-0000000001"`
	for name, request := range map[string][3]string{
		"% alone":                           {webhook + "?a=%&secret=wh-sec-77777777&id=1", "", ""},
		"%u":                                {webhook + "?a=%u041F&secret=wh-sec-77777777&id=1", "", ""},
		"Latin-1 in the URL":                {webhook + "?a=\xfc&b=%fc&secret=wh-sec-77777777&id=1", "", ""},
		"a semicolon":                       {webhook + "?a=1;b&secret=wh-sec-77777777&id=1", "", ""},
		"NUL":                               {webhook + "?a=%00&secret=wh-sec-77777777&id=1", "", ""},
		"a form":                            {webhook, form, "id=1&a=50%&b=\xfc&c=%fc&d=%00\x00&secret=wh-sec-77777777"},
		"a form in an unknown charset":      {webhook, form + "; charset=klingon", "id=1&a=\xfc&secret=wh-sec-77777777"},
		"too many parameters":               {webhook, form, strings.Repeat("a=1&", 2000) + "secret=wh-sec-77777777"},
		"a part":                            {webhook, multi, part("name=a", "\xfc") + part("name=secret", "wh-sec-77777777") + "--x--\r\n"},
		"a name of a part":                  {webhook, multi, part("name=\"\xfc\"", "1") + part("name=secret", "wh-sec-77777777") + "--x--\r\n"},
		"JSON that is not UTF-8":            {webhook, "application/json", "{\"id\":\"1\",\"a\":\"\xfc\",\"secret\":\"wh-sec-77777777\"}"},
		"a broken Content-Type":             {webhook, "application/json; charset", `{"id":"1","secret":"wh-sec-77777777"}`},
		"an event":                          {events, form, "event=ONCRMDEALUPDATE&data[FIELDS][ID]=1&a=50%&b=%u041F&c=\xfc%ff&%=;" + auth},
		"an event of too many parameters":   {events, form, "event=ONCRMDEALUPDATE&" + strings.Repeat("a=1&", 2000) + auth},
		"an event in an unknown charset":    {events, form + "; charset=klingon", "event=ONCRMDEALUPDATE&data[FIELDS][ID]=1" + auth},
		"an event in JSON":                  {events, "application/json", "{\"event\":\"ONCRMDEALUPDATE\",\"data\":{\"FIELDS\":{\"ID\":\"1\",\"T\":\"\xfc\"}}," + jsonAuth + "}"},
		"an event behind a byte order mark": {events, form, "\ufeffevent=ONCRMDEALUPDATE&data[FIELDS][ID]=1" + auth},
		"a workflow":                        {workflow + "?a=%&b=\xfc&c=%ff&d;e&secret=wf-sec-55555555", form, document + "&a=50%&b=%ff\xfc"},
		"a notification":                    {notifications, "application/json", "{\"module\":\"Deals\",\"a\":\"\xfc\"," + zoho + "}"},
		"a notification with text behind":   {notifications, "", `{"module":"Deals",` + zoho + "}\x00"},
	} {
		got := sendRaw(t, b, raw(request[0], request[1], request[2]))
		if got.Status != 200 && (got.Status != 400 || got.QuarantineID == "") {
			t.Errorf("%s was answered %d %s", name, got.Status, got.Text)
		}
		wrong := strings.NewReplacer("wh-sec-77777777", "wh-sec-7777777%", "wf-sec-55555555", "wf-sec-5555555\xfc", "tok-AAAA-0000000001", "tok-AAAA-000000000\xfc", "apptok0123456789abcdef", "apptok0123456789abcde%")
		if got := sendRaw(t, b, raw(wrong.Replace(request[0]), request[1], wrong.Replace(request[2]))); got.Status != 401 {
			t.Errorf("%s with a wrong proof was answered %d %s", name, got.Status, got.Text)
		}
	}
	for where, text := range map[string]string{"a stream": streams(t, b.NATS), "the log": b.Log()} {
		for _, secret := range []string{"tok-AAAA-0000000001", "apptok0123456789abcdef", "wh-sec-77777777", "wf-sec-55555555"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s", where, secret)
			}
		}
	}
}

// Callbacks of a megabyte whose work would grow with the square of their length are answered within BRIDGE_ANSWER_TIMEOUT.
func TestCallbacksOfTheWorstShape(t *testing.T) {
	b := start(t, t.TempDir(), append(requestsEnv, "BRIDGE_ANSWER_TIMEOUT=20s")...) // other tests run beside it
	var ids, values strings.Builder
	for i := 0; ids.Len() < 1<<20-1000; i++ {
		ids.WriteString(`"` + strconv.Itoa(i) + `",`)
	}
	for i := 0; values.Len() < 1<<20-1000; i++ {
		values.WriteString(`{"record_id":"1","values":{"F` + strconv.Itoa(i) + `":` + strconv.Itoa(i) + `}},`)
	}
	const notification = `{"module":"Deals","operation":"update","channel_id":"1000000068001","token":"tok-AAAA-0000000001",`
	for name, request := range map[string][2]string{
		"ids of a webhook":     {"/zoho/webhooks/Deals/edit?secret=wh-sec-77777777", `{"id":[` + ids.String() + `"x"]}`},
		"ids":                  {"/zoho/notifications", notification + `"ids":[` + ids.String() + `"x"]}`},
		"values of one record": {"/zoho/notifications", notification + `"ids":["1"],"affected_values":[` + values.String() + `{}]}`},
	} {
		if got := sendRaw(t, b, raw(request[0], "application/json", request[1])); got.Status != 200 {
			t.Errorf("%s was answered %d %.300s", name, got.Status, got.Text)
		}
	}
}

// What was badly encoded beside something that is not an id waits as it came, and once the id is understood it is published so.
func TestRedriveOfBadEncoding(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, requestsEnv...)
	got := sendRaw(t, b, raw("/zoho/webhooks/Deals/edit?a=\xfc&b=%u041F", "application/x-www-form-urlencoded", "id=${Deals.Id}&key=7&disc=50%&c=M%fcller\xfc&d=%C3%BC&secret=wh-sec-77777777"))
	if got.Status != 400 {
		t.Fatalf("answered %d %s", got.Status, got.Text)
	}
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b = start(t, dir, append(requestsEnv, "BRIDGE_ZOHO_WEBHOOK_ID_PARAMS=key")...)
	if out, code := command(t, b, dir, "quarantine", "redrive", got.QuarantineID); code != 0 || !strings.Contains(out, `"sequence":1`) {
		t.Fatalf("the redrive ended with %d: %s", code, out)
	}
	e := stored(t, b, 1)
	want := `"body":{"a":"%FC","b":"%u041F","id":"${Deals.Id}","key":"7","disc":"50%","c":"M%fcller%FC","d":"ü"}`
	if e.Subject != "7" || !strings.Contains(string(e.Data.Native), want) {
		t.Errorf("became %s %s", e.Subject, e.Data.Native)
	}
}
