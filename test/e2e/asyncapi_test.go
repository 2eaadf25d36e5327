package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// asyncAPI is the document that a bridge serves.
type asyncAPI struct {
	text               string
	AsyncAPI           string `yaml:"asyncapi"`
	DefaultContentType string `yaml:"defaultContentType"`
	Servers            map[string]struct{ Host, Protocol string }
	Channels           map[string]struct {
		Address  string
		Messages map[string]any
	}
}

func described(t *testing.T, b *bridge) asyncAPI {
	t.Helper()
	status, text := get(t, b.Callbacks+"/asyncapi.yaml")
	d := asyncAPI{text: text}
	if err := yaml.Unmarshal([]byte(text), &d); err != nil || status != 200 || d.AsyncAPI != "3.1.0" {
		t.Fatalf("answered %d %v: %s", status, err, text)
	}
	return d
}

func (d asyncAPI) addresses() string {
	var all []string
	for _, channel := range d.Channels {
		all = append(all, channel.Address)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// takes holds a message against the payload and the headers that the document gives for a family.
func (d asyncAPI) takes(t *testing.T, family string, header nats.Header, data []byte) error {
	t.Helper()
	var document any
	if err := yaml.Unmarshal([]byte(d.text), &document); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(`"$id"`), []byte(`"id"`))
	headers := map[string]string{}
	for name := range header {
		headers[name] = header[name][0]
	}
	headerText, err := json.Marshal(headers)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.AddResource("doc.json", resource); err != nil {
		t.Fatal(err)
	}
	for part, text := range map[string][]byte{"payload": data, "headers": headerText} {
		schema, err := compiler.Compile("doc.json#/components/messages/" + family + "/" + part)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

// A consumer that knows nothing but the document connects to the server that it names, reads the channel that it names, and
// gets what it describes, in either mode. A module that was never seen gets its channel when it is.
func TestAsyncAPILeadsToTheEvents(t *testing.T) {
	t.Parallel()
	for mode, contentType := range map[string]string{"structured": "application/cloudevents+json", "binary": "application/json"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := start(t, dir, documentedToken, "BRIDGE_EVENT_MODE="+mode, "BRIDGE_EVENT_PER=record", "BRIDGE_PUBLIC_URL=https://crm.example.com")
			if mode == "structured" { // once is enough: a document is five seconds old before it is made again
				fresh := described(t, b)
				all := strings.Fields(fresh.addresses())
				for _, want := range []string{"crm-replay.{job}.bitrix24.{module}.{operation}", "crm-replay.{job}.zoho.{module}.{operation}", "crm.bitrix24.{module}.{operation}", "crm.zoho.{module}.{operation}"} {
					if !slices.Contains(all, want) {
						t.Errorf("%s is not among %q", want, all)
					}
				}
				if seen := slices.DeleteFunc(all, func(address string) bool { return strings.HasSuffix(address, ".{module}.{operation}") }); len(seen) > 0 {
					t.Errorf("before any callback it has %q", seen)
				}
			}
			if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
				t.Fatalf("answered %d %s", a.Status, a.Text)
			}
			var now asyncAPI
			waitFor(t, func() bool {
				now = described(t, b)
				return strings.Contains(now.addresses(), "crm.zoho.Contacts.edit")
			})
			if now.DefaultContentType != contentType {
				t.Errorf("contentType %s", now.DefaultContentType)
			}
			channel := now.Channels["zoho.Contacts.edit"]
			c, _ := consumer(t, now.Servers["nats"].Protocol+"://"+now.Servers["nats"].Host, channel.Address)
			msg, err := c.Next()
			if err != nil {
				t.Fatal(err)
			}
			for family := range channel.Messages {
				if err := now.takes(t, family, msg.Headers(), msg.Data()); (err == nil) != (family == "zoho-notifications") {
					t.Errorf("as %s: %v\n%v\n%s", family, err, msg.Headers(), msg.Data())
				}
			}
			_ = b.stop(t, syscall.SIGTERM)
			b = start(t, dir, documentedToken)
			if again := described(t, b); !strings.Contains(again.addresses(), "crm.zoho.Contacts.edit") {
				t.Errorf("after a restart it has forgotten what the stream holds: %s", again.addresses())
			}
		})
	}
}

// The page is that document for people: it runs nothing and fetches nothing.
func TestAsyncAPIPage(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken)
	response, err := http.Get(b.Callbacks + "/asyncapi.html")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "default-src 'none'; style-src 'sha256-", "X-Content-Type-Options": "nosniff",
		"Cache-Control": "public, max-age=60",
	} {
		if got := response.Header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	_, page := get(t, b.Callbacks+"/asyncapi.html")
	for _, want := range []string{b.NATS, "crm.zoho.{module}.{operation}", "zoho-notifications"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// What is configured has a channel before anything came, and a remote NATS that is away, or whose URL holds a password,
// keeps nobody from the document and shows nothing of the password.
func TestAsyncAPIOfWhatIsConfigured(t *testing.T) {
	const password = "planted-password-of-the-remote"
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_PUBLIC_URL=https://crm.example.com", "BRIDGE_ZOHO_TOKEN_SECRET=a-token-secret-of-this-test",
		"BRIDGE_ZOHO_CLIENT_ID=client", "BRIDGE_ZOHO_CLIENT_SECRET=client-secret-of-this-test", "BRIDGE_ZOHO_REFRESH_TOKEN=refresh-token-of-this-test",
		"BRIDGE_ZOHO_ACCOUNTS_URL=http://127.0.0.1:9", "BRIDGE_ZOHO_API_URL=http://127.0.0.1:9", "BRIDGE_ZOHO_EVENTS=Deals.all,Sales_Orders.create",
		"BRIDGE_BITRIX24_CLIENT_ID=local.app", "BRIDGE_BITRIX24_CLIENT_SECRET=application-secret-of-this-test", "BRIDGE_BITRIX24_PORTALS=a223c6b3710f85df22e9377d6c4f7553",
		"BRIDGE_BITRIX24_OAUTH_URL=http://127.0.0.1:9", "BRIDGE_BITRIX24_EVENTS=Deal.edit,ONCRMDEALMOVETOCATEGORY", "BRIDGE_STATE_KEY=a-key-of-this-test",
		"BRIDGE_NATS_URL=nats://bridge:"+password+"@127.0.0.1:9,tls://"+password+"@nats.example.com")
	if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	var now asyncAPI
	waitFor(t, func() bool {
		now = described(t, b)
		return strings.Contains(now.addresses(), "crm.zoho.Contacts.edit") // waits in the journal
	})
	for _, want := range []string{
		"crm.zoho.Deals.create", "crm.zoho.Deals.edit", "crm.zoho.Deals.delete", "crm.zoho.Sales_Orders.create", "crm.bitrix24.Deal.edit", "crm.bitrix24.Deal.moveToCategory",
	} {
		if !slices.Contains(strings.Fields(now.addresses()), want) {
			t.Errorf("%s is not in %s", want, now.addresses())
		}
	}
	if strings.Contains(now.addresses(), "Sales_Orders.edit") {
		t.Error("a channel of what nobody asked for")
	}
	if now.Servers["nats"].Host != "127.0.0.1:9" || now.Servers["nats-2"].Host != "nats.example.com:4222" || now.Servers["nats-2"].Protocol != "nats" {
		t.Errorf("servers %v", now.Servers)
	}
	_, page := get(t, b.Callbacks+"/asyncapi.html")
	for _, secret := range []string{password, "bridge:planted", "bridge:*", "secret-of-this-test", "a-key-of-this-test", "local.app"} {
		if strings.Contains(now.text, secret) || strings.Contains(page, secret) {
			t.Errorf("it shows %s", secret)
		}
	}
}

// Strangers who ask without end cost NATS two questions in five seconds, and everyone is answered.
func TestAsyncAPIAsksSeldom(t *testing.T) {
	remote := openRemote(t, t.TempDir(), -1)
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_DELIVERY=direct", "BRIDGE_NATS_URL="+remote.ClientURL())
	conn, err := nats.Connect(remote.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), "CRM"); err != nil { // it is there
		t.Fatal(err)
	}
	var asked atomic.Int64
	if _, err := conn.Subscribe("$JS.API.STREAM.INFO.CRM", func(*nats.Msg) { asked.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	var each sync.WaitGroup
	for range 20 {
		each.Go(func() {
			for range 20 {
				response, err := http.Get(b.Callbacks + "/asyncapi.yaml")
				if err != nil || response.StatusCode != 200 {
					t.Errorf("%v %v", response, err)
					return
				}
				_ = response.Body.Close()
			}
		})
	}
	each.Wait()
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, most := asked.Load(), 2*(2+int64(time.Since(begun)/(5*time.Second))); n < 1 || n > most {
		t.Errorf("NATS was asked %d times, more than %d", n, most)
	}
}

// The documents of the tests are those that a bridge serves: what a family's example says stands in both.
func TestSchemasAreServed(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken)
	files, err := filepath.Glob("../../schemas/v1/*.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d schemas: %v", len(files), err)
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.Get(b.Callbacks + "/schemas/v1/" + filepath.Base(file))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		_, err = got.ReadFrom(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != 200 || !bytes.Equal(want, got.Bytes()) || response.Header.Get("Content-Type") != "application/schema+json" || response.Header.Get("Cache-Control") != "public, max-age=3600" {
			t.Errorf("%s: %d %v %v", file, response.StatusCode, response.Header, err)
		}
	}
}
