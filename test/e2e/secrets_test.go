package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// planted are the secrets of a bridge; each is unique, so that it can be looked for in everything that leaves.
var planted = map[string]string{
	"channel token": "planted-channel-token-1", "token secret": "planted-token-secret-2", "older token secret": "planted-token-secret-3",
	"webhook secret": "planted-webhook-secret-4", "application token": "planted-application-token-5", "workflow secret": "planted-workflow-secret-6",
	"consumers' password": "planted-consumer-password-7", "access token": "planted-access-token-8", "refresh token": "planted-refresh-token-9",
	"OAuth token": "1000.plantedplantedplanted1.plantedplantedplanted2", "header": "planted-header-secret-10", "short": "SUPERSECx1", "other short": "SUPERSECy",
	"collector's token": "planted-collector-token-11",
}

// request is a callback as a CRM, or somebody else, may send it.
type request struct {
	path, contentType, body string
	status                  int
}

func requests() []request {
	const form, asJSON = "application/x-www-form-urlencoded", "application/json"
	p := planted
	zoho := `{"module":"Deals","operation":"update","ids":["1"],"channel_id":"77","token":"%s","query_params":{"authorization":"Zoho-oauthtoken %s","key1":"%s"},"extra":{"note":"%s and %s"}}`
	zohoGood := fmt.Sprintf(zoho, p["channel token"], p["OAuth token"], p["token secret"], p["webhook secret"], p["application token"])
	bitrix := "event=ONCRMDEALUPDATE&data%%5BFIELDS%%5D%%5BID%%5D=5&ts=1727018926&auth%%5Baccess_token%%5D=" + p["access token"] + "&auth%%5Brefresh_token%%5D=" + p["refresh token"] +
		"&auth%%5Bdomain%%5D=some-domain.bitrix24.com&auth%%5Bmember_id%%5D=member1&auth%%5Bapplication_token%%5D=%s&note=" + p["channel token"]
	return []request{
		{"/zoho/notifications", asJSON, zohoGood, 200},
		{"/zoho/notifications", asJSON, strings.Replace(zohoGood, `"Deals"`, `"De.als"`, 1), 400},
		{"/zoho/notifications", asJSON, strings.Replace(zohoGood, `"77"`, `"78"`, 1), 401},
		{"/zoho/notifications?proof=" + p["token secret"], asJSON, zohoGood[:len(zohoGood)-3], 400},
		{"/zoho/webhooks/Deals/won?secret=" + p["webhook secret"] + "&a=" + p["older token secret"], form, "id=1&note=" + p["workflow secret"] + "&url=https%3A%2F%2Fx%2F%3Fauthorization%3D" + p["access token"], 200},
		{"/zoho/webhooks/Deals/won", asJSON, `{"id":"1","secret":"` + p["webhook secret"] + `","deep":[{"x":"` + p["webhook secret"] + `"}]}`, 200},
		{"/zoho/webhooks/Deals/won?secret=" + p["webhook secret"], "text/xml", "<a><secret>" + p["webhook secret"] + "</secret><b>" + p["consumers' password"] + "</b></a>", 200},
		{"/zoho/webhooks/De.als/won?secret=" + p["webhook secret"], "text/plain", "see " + p["webhook secret"] + " and Zoho-oauthtoken " + p["OAuth token"], 400},
		{"/zoho/webhooks/Deals/won?secret=" + p["webhook secret"], asJSON, `{"token":"` + p["access token"] + `","secret":["` + p["webhook secret"] + `"`, 400},
		{"/zoho/webhooks/Deals/won?secret=" + p["workflow secret"], form, "id=1", 401},
		{"/bitrix24/events", form, fmt.Sprintf(bitrix, p["application token"]), 200},
		{"/bitrix24/events", form, strings.Replace(fmt.Sprintf(bitrix, p["application token"]), "ONCRMDEALUPDATE", "", 1), 400},
		{"/bitrix24/events", form, fmt.Sprintf(bitrix, p["channel token"]), 401},
		{"/bitrix24/events", asJSON, `{"event":"onAppInstall","auth":{"member_id":"member1","access_token":"` + p["access token"] + `","refresh_token":"` + p["refresh token"] + `","application_token":"` + p["application token"] + `"}}`, 200},
		{"/bitrix24/workflows/won?secret=" + p["workflow secret"], form, "document_id%5B0%5D=crm&document_id%5B1%5D=CCrmDocumentDeal&document_id%5B2%5D=DEAL_54&note=" + p["workflow secret"], 200},
		{"/bitrix24/workflows/won?secret=" + p["workflow secret"], form, "document_id%5B0%5D=crm&auth%5Baccess_token%5D=" + p["access token"], 400},
		{"/bitrix24/events?AUTH_ID=" + p["short"], form, fmt.Sprintf(bitrix, p["application token"]) + "&data[TOKEN]=" + p["short"] + "&auth[sid]=" + p["short"] + "&APP_SID=" + p["other short"] + "&data[FIELDS][refresh_token]=" + p["other short"], 200},
		{"/bitrix24/events", form, strings.Replace(fmt.Sprintf(bitrix, p["application token"]), "ONCRMDEALUPDATE", "", 1) + "&data[auth_token]=" + p["short"] + "&auth[sid]=" + p["short"] + "&REFRESH_ID=" + p["other short"], 400},
		{"/bitrix24/workflows/won?secret=" + p["workflow secret"] + "&auth=" + p["short"], form, "document_id%5B2%5D=DEAL_54&event_token=1%7C2%7C" + p["short"] + "&properties[api_key]=" + p["other short"], 200},
		{"/zoho/webhooks/Deals/won?token=" + p["short"], asJSON, `{"id":["1","2"],"secret":"` + p["webhook secret"] + `","Api_Key":"` + p["other short"] + `","note":"\u0070lanted-webhook%2dsecret&#45;4"}`, 200},
		{"/zoho/webhooks/Deals/won?authtoken=" + p["short"], form, "id=" + p["OAuth token"] + "&secret=" + p["webhook secret"] + "&password=" + p["other short"], 400},
		{"/asyncapi.yaml", asJSON, "", 0},
		{"/nowhere?secret=" + p["webhook secret"], asJSON, "", 404},
	}
}

// No secret leaves on any path: event, quarantine, log, metric, answer, readiness, the commands config and quarantine; in
// whatever mode.
func TestSecretsStayInside(t *testing.T) {
	t.Run("one event a callback", func(t *testing.T) { secretsStayInside(t) })
	t.Run("one event a record, binary", func(t *testing.T) { secretsStayInside(t, "BRIDGE_EVENT_PER=record", "BRIDGE_EVENT_MODE=binary") })
}

func secretsStayInside(t *testing.T, mode ...string) {
	p := planted
	dir := t.TempDir()
	env := []string{
		"BRIDGE_ZOHO_TOKENS=77:" + p["channel token"], "BRIDGE_ZOHO_TOKEN_SECRET=" + p["token secret"] + "," + p["older token secret"],
		"BRIDGE_ZOHO_WEBHOOK_SECRET=" + p["webhook secret"], "BRIDGE_BITRIX24_TOKENS=member1:" + p["application token"],
		"BRIDGE_BITRIX24_WORKFLOW_SECRET=" + p["workflow secret"], "BRIDGE_NATS_LISTEN_USER=reader", "BRIDGE_NATS_LISTEN_PASSWORD=" + p["consumers' password"],
		"BRIDGE_LOG_LEVEL=debug",
	}
	traces := startCollector(t)
	env = append(append(env, traces.env...), mode...)
	b := start(t, dir, env...)
	out := map[string]string{}
	for _, r := range requests() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.Callbacks+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", r.contentType)
		req.Header.Set("Cookie", p["header"])
		status, text := do(t, req)
		if r.status != 0 && status != r.status {
			t.Errorf("%s %s was answered %d, not %d: %s", r.path, r.body, status, r.status, text)
		}
		out["answers"] += text
	}
	for _, path := range []string{"/metrics", "/readyz", "/healthz", "/quarantine"} {
		_, text := get(t, b.Admin+path)
		out[path] = text
	}
	for _, path := range []string{"/asyncapi.yaml", "/asyncapi.html"} {
		_, out[path] = get(t, b.Callbacks+path)
	}
	out["streams"] = streams(t, b.NATS, nats.UserInfo("reader", p["consumers' password"]))
	for _, args := range []string{"config", "config check", "quarantine list", "quarantine redrive --all --dry-run"} {
		cmd := exec.Command(program, strings.Fields(args)...)
		cmd.Env = append(append(environment(dir), env...), "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"))
		text, _ := cmd.CombinedOutput()
		out[args] = string(text)
	}
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	out["log"], out["traces"] = b.Log(), traces.text()
	p = maps.Clone(p)
	for _, made := range []string{"nats-password", "admin-token"} {
		content, err := os.ReadFile(filepath.Join(dir, made))
		if err != nil {
			t.Fatal(err)
		}
		p[made] = strings.TrimSpace(string(content))
	}
	for where, text := range out {
		if text == "" {
			t.Errorf("nothing was seen of %s", where)
		}
		for name, secret := range p {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows the %s: %s", where, name, text)
			}
		}
	}
	for _, kept := range []string{`"events"`, "quarantineId"} {
		if !strings.Contains(out["answers"], kept) {
			t.Errorf("no answer with %s", kept)
		}
	}
}

func do(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var text strings.Builder
	if _, err := fmt.Fprint(&text, response.Header); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 1<<20)
	n, _ := response.Body.Read(body)
	return response.StatusCode, text.String() + string(body[:n])
}

// streams returns all that stands in the streams: subjects, headers, bodies.
func streams(t *testing.T, url string, options ...nats.Option) string {
	t.Helper()
	conn, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range []string{"CRM", "CRM_QUARANTINE"} {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
			msg, err := stream.GetMsg(t.Context(), sequence)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(&all, "%s %v %s\n", msg.Subject, msg.Header, msg.Data)
		}
	}
	return all.String()
}
