package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// connection is what "connect PROVIDER --json" prints.
type connection struct {
	PublicURL    string
	Placeholder  bool
	Instructions []connectStep
}

// connectStep is a step of a connection.
type connectStep struct {
	Source, Heading, Text string
	Done                  bool
	Paste                 []struct {
		Name, Value, Kind string
		Secret            bool
	}
	Set []struct {
		Variable, Value, From string
		Secret                bool
	}
}

// value returns what is pasted under a name.
func (s connectStep) value(name string) string {
	for _, paste := range s.Paste {
		if strings.HasPrefix(paste.Name, name) {
			return paste.Value
		}
	}
	return ""
}

// step returns the step of a source in which a name is pasted.
func (c connection) step(t *testing.T, source, name string) connectStep {
	t.Helper()
	i := slices.IndexFunc(c.Instructions, func(s connectStep) bool { return s.Source == source && s.value(name) != "" })
	if i < 0 {
		t.Fatalf("no step of %s has %q: %+v", source, name, c)
	}
	return c.Instructions[i]
}

// connect runs "connect" and returns what it prints, what it says, and how it ends.
func connect(t *testing.T, dir string, env []string, args ...string) (connection, string, int) {
	t.Helper()
	var said strings.Builder
	cmd := exec.Command(program, append([]string{"connect"}, args...)...)
	cmd.Env, cmd.Stderr = append(environment(dir), env...), &said
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	var printed connection
	if len(out) > 0 {
		if err := json.Unmarshal(out, &printed); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return printed, said.String(), cmd.ProcessState.ExitCode()
}

// What the CRMs show to a person, who sets it for the bridge.
const (
	shownApplicationToken = "an-application-token-of-a-webhook"
	shownClientSecret     = "the-client-secret-of-an-app"
)

// setting returns the variables of a step as a person sets them, with what the CRM shows in place of what only the CRM knows.
func setting(steps ...connectStep) (env []string) {
	for _, step := range steps {
		for _, one := range step.Set {
			value := strings.Replace(one.Value, "APPLICATION_TOKEN", shownApplicationToken, 1)
			if strings.HasSuffix(one.Variable, "_CLIENT_SECRET") {
				value = shownClientSecret
			}
			env = append(env, one.Variable+"="+value)
		}
	}
	return env
}

// pasted are the callbacks that CRMs send once what connect printed was pasted into them, by what they are.
func pasted(t *testing.T, of map[string]connection) (requests map[string]*http.Request, env []string) {
	t.Helper()
	requests = map[string]*http.Request{}
	request := func(name, method, url, contentType, body string) *http.Request {
		r, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		requests[name] = r
		return r
	}
	const form = "application/x-www-form-urlencoded"

	channels := of["zoho"].step(t, "zoho-notifications", "Body")
	var watch struct {
		Watch []struct {
			Channel string `json:"channel_id"`
			Token   string
			Notify  string `json:"notify_url"`
			Expiry  string `json:"channel_expiry"`
			Events  []string
		}
	}
	if err := json.Unmarshal([]byte(channels.value("Body")), &watch); err != nil || len(watch.Watch) != 1 || !slices.Equal(watch.Watch[0].Events, []string{"Deals.edit"}) {
		t.Fatalf("the body of actions/watch: %v: %+v", err, watch)
	}
	channel := watch.Watch[0]
	if expires, err := time.Parse(time.RFC3339, channel.Expiry); err != nil || time.Until(expires) < 6*24*time.Hour || time.Until(expires) > 7*24*time.Hour {
		t.Errorf("channel_expiry %q: %v", channel.Expiry, err)
	}
	if len(channel.Token) > 50 || channels.value("token of channel "+channel.Channel) != channel.Token || channels.value("notify_url of channel "+channel.Channel) != channel.Notify {
		t.Errorf("the channel %+v is not that of %+v", channel, channels)
	}
	body := `{"server_time":1718115953625,"query_params":{},"module":"Deals","resource_uri":"https://www.zohoapis.com/crm/v2/Deals","ids":["1"],"operation":"update","channel_id":"` + channel.Channel + `","token":%s}`
	request("a notification with its token", http.MethodPost, of["zoho"].PublicURL+"/zoho/notifications", "application/json", fmt.Sprintf(body, strconv.Quote(channel.Token)))
	request("a notification with the proof of its URL", http.MethodPost, channel.Notify, "application/json", fmt.Sprintf(body, "null"))

	webhook := of["zoho"].step(t, "zoho-webhooks", "URL to notify")
	request("a workflow webhook", webhook.value("Method"), webhook.value("URL to notify"), form, "id=5").
		Header.Set("X-Webhook-Secret", webhook.value("Header X-Webhook-Secret"))
	request("a workflow webhook with a parameter", http.MethodPost, webhook.value("URL to notify"), form, url.Values{"id": {"6"}, "secret": {webhook.value("Header X-Webhook-Secret")}}.Encode())

	events := of["bitrix24"].step(t, "bitrix24-events", "Handler")
	name, _, _ := strings.Cut(events.value("Events"), ",")
	request("an event", http.MethodPost, events.value("Handler"), form, url.Values{
		"event": {name}, "data[FIELDS][ID]": {"7"}, "ts": {"1739049397"}, "auth[domain]": {"some-domain.bitrix24.com"},
		"auth[member_id]": {"a223c6b3710f85df22e9377d6c4f7553"}, "auth[application_token]": {shownApplicationToken},
	}.Encode())
	workflow := of["bitrix24"].step(t, "bitrix24-workflows", "Handler")
	request("a workflow", http.MethodPost, workflow.value("Handler"), form, url.Values{
		"document_id[0]": {"crm"}, "document_id[1]": {"CCrmDocumentDeal"}, "document_id[2]": {"DEAL_54"},
	}.Encode())

	hook := of["pipedrive"].step(t, "pipedrive-webhooks", "Endpoint URL")
	request("a webhook of Pipedrive", http.MethodPost, hook.value("Endpoint URL"), "application/json",
		`{"meta":{"action":"change","entity":"deal","company_id":"1","id":"0e5f4a4e-3c0e-4c53-9a3b-6c0f5f6a7b80","entity_id":"9","timestamp":"2026-11-20T09:15:02.418Z","version":"`+hook.value("Webhook version")+`"},"data":{"id":9},"previous":{"title":"x"}}`).
		SetBasicAuth(hook.value("HTTP Auth username"), hook.value("HTTP Auth password"))

	app := of["hubspot"].step(t, "hubspot-webhooks", "Target URL")
	list := `[{"eventId":1,"subscriptionId":7700001,"portalId":44001122,"appId":9001,"occurredAt":1796040000500,"subscriptionType":"deal.propertyChange","attemptNumber":0,"objectId":77,"propertyName":"amount","propertyValue":"1"}]`
	stamp := strconv.FormatInt(time.Now().UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(shownClientSecret))
	mac.Write([]byte(http.MethodPost + app.value("Target URL") + list + stamp))
	signed := request("a webhook of HubSpot", http.MethodPost, app.value("Target URL"), "application/json", list)
	signed.Header.Set("X-HubSpot-Signature-v3", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	signed.Header.Set("X-HubSpot-Request-Timestamp", stamp)
	return requests, setting(channels, webhook, events, workflow, hook, app)
}

// What connect prints before the first start is pasted into the CRMs, and what it says is set for the bridge: then every CRM's callbacks are
// accepted, with the secrets of the data folder, with variables beside a remote NATS, and for a further org. Connect prints the same beside
// the running bridge, and reports that it answers.
func TestConnectIsPasted(t *testing.T) {
	for _, test := range []struct {
		name, account string
		remote        bool
		env           []string
	}{
		{name: "embedded"},
		{name: "remote", remote: true},
		{name: "further org", account: "emea", env: []string{"BRIDGE_ZOHO_ACCOUNTS=emea", "BRIDGE_BITRIX24_ACCOUNTS=emea", "BRIDGE_PIPEDRIVE_ACCOUNTS=emea", "BRIDGE_HUBSPOT_ACCOUNTS=emea"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir, listen := t.TempDir(), "127.0.0.1:"+freePort(t)
			env := append(slices.Clone(test.env), "BRIDGE_LISTEN="+listen, "BRIDGE_PUBLIC_URL=http://"+listen)
			if test.remote {
				env = append(env, "BRIDGE_NATS_URL="+start(t, t.TempDir(), "BRIDGE_STREAM=OTHER", "BRIDGE_SUBJECT_PREFIX=other").NATS)
			}
			printed := map[string]connection{}
			for provider, module := range map[string]string{"zoho": "Deals", "bitrix24": "Deal", "pipedrive": "deal", "hubspot": "deal"} {
				one, said, code := connect(t, dir, env, provider, "--account", test.account, "--module", module, "--event", "edit")
				if code != 1 || !strings.Contains(said, "does not answer") {
					t.Fatalf("%s, before the start: exit %d: %s", provider, code, said)
				}
				printed[provider] = one
			}
			requests, settings := pasted(t, printed)
			env = append(env, settings...)
			start(t, dir, env...)
			for name, request := range requests {
				response, err := client.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				if _ = response.Body.Close(); response.StatusCode != http.StatusOK {
					t.Errorf("%s, posted to %s: %s", name, request.URL.Path, response.Status)
				}
			}
			for provider, module := range map[string]string{"zoho": "Deals", "pipedrive": "deal"} { // the others show what only the CRM knows
				before := printed[provider]
				again, said, code := connect(t, dir, env, provider, "--account", test.account, "--module", module, "--event", "edit")
				if code != 0 || !strings.Contains(said, "this bridge answers at http://"+listen) {
					t.Errorf("%s, beside the bridge: exit %d: %s", provider, code, said)
				}
				last, now := before.Instructions[len(before.Instructions)-1], again.Instructions[len(again.Instructions)-1]
				if fmt.Sprint(last.Paste) != fmt.Sprint(now.Paste) {
					t.Errorf("%s prints other values beside the bridge:\n%+v\n%+v", provider, last.Paste, now.Paste)
				}
			}
		})
	}
}
