package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
)

// clean removes every variable of ours for the time of a test.
func clean(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "BRIDGE_") || strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, value) // so that it is put back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("BRIDGE_DATA_DIR", t.TempDir())
}

const planted = "planted-secret-value"

// Each trap of configuration by environment: what is taken, and what is said of what is not.
func TestEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("1:"+planted+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		env  map[string]string
		says string // part of the error; empty: it is taken
	}{
		{"nothing set", nil, ""},
		{"a bare name is not ours", map[string]string{"LISTEN": "nonsense", "TOKENS": "nonsense", "STREAM": "a b"}, ""},
		{"empty counts as not set", map[string]string{"BRIDGE_LISTEN": "", "BRIDGE_MAX_BODY": "", "BRIDGE_ZOHO_TOKENS": ""}, ""},
		{"a misspelt name", map[string]string{"BRIDGE_LISTENN": "x"}, "BRIDGE_LISTENN is not a variable of crm-bridge; the nearest is BRIDGE_LISTEN "},
		{"a misspelt name of a source", map[string]string{"BRIDGE_ZOHO_TOKEN": planted}, "the nearest is BRIDGE_ZOHO_TOKENS"},
		{"a misspelt file", map[string]string{"BRIDGE_ZOHO_TOKENZ_FILE": file}, "BRIDGE_ZOHO_TOKENZ_FILE is not a variable"},
		{"lower case is not ours", map[string]string{"bridge_listenn": "x"}, ""},
		{"Kubernetes' variables of a Service named bridge", map[string]string{
			"BRIDGE_SERVICE_HOST": "10.0.0.1", "BRIDGE_SERVICE_PORT": "8080", "BRIDGE_SERVICE_PORT_HTTP": "8080", "BRIDGE_PORT": "tcp://10.0.0.1:8080",
			"BRIDGE_PORT_8080_TCP": "tcp://10.0.0.1:8080", "BRIDGE_PORT_8080_TCP_PROTO": "tcp", "BRIDGE_PORT_8080_TCP_PORT": "8080", "BRIDGE_PORT_8080_TCP_ADDR": "10.0.0.1",
			"BRIDGE_PORT_53_UDP": "udp://10.0.0.1:53", "BRIDGE_ADMIN_SERVICE_HOST": "10.0.0.2", "BRIDGE_ADMIN_PORT_9090_TCP": "tcp://10.0.0.2:9090",
		}, ""},
		{"a port that Kubernetes did not inject", map[string]string{"BRIDGE_PORT": "8080"}, "BRIDGE_PORT is not a variable"},
		{"a file for any variable", map[string]string{"BRIDGE_ZOHO_TOKENS_FILE": file}, ""},
		{"a file and a value", map[string]string{"BRIDGE_ZOHO_TOKENS_FILE": file, "BRIDGE_ZOHO_TOKENS": "1:" + planted}, "are both set"},
		{"a file that is not there", map[string]string{"BRIDGE_ZOHO_TOKENS_FILE": file + "x"}, "BRIDGE_ZOHO_TOKENS_FILE cannot be read: no such file"},
		{"a repeated key", map[string]string{"BRIDGE_ZOHO_TOKENS": "1:a-first-token,1:a-second-token"}, ""},
		{"a token without an id", map[string]string{"BRIDGE_ZOHO_TOKENS": "1:a-token," + planted}, "BRIDGE_ZOHO_TOKENS entry 2 is not of the form id:token"},
		{"a size", map[string]string{"BRIDGE_MAX_BODY": "512KiB", "BRIDGE_STREAM_MAX_BYTES": "10GiB"}, ""},
		{"no size", map[string]string{"BRIDGE_MAX_BODY": planted}, "BRIDGE_MAX_BODY must be a size such as"},
		{"a body that could not be held", map[string]string{"BRIDGE_MAX_BODY": "2MiB", "BRIDGE_MAX_IN_FLIGHT_BYTES": "1MiB"}, "BRIDGE_MAX_BODY must not be more than BRIDGE_MAX_IN_FLIGHT_BYTES, 1MiB"},
		{"a body that can just be held", map[string]string{"BRIDGE_MAX_BODY": "2MiB", "BRIDGE_MAX_IN_FLIGHT_BYTES": "2MiB", "BRIDGE_MAX_CONNECTIONS": "10"}, ""},
		{"no connections", map[string]string{"BRIDGE_MAX_CONNECTIONS": "0"}, "BRIDGE_MAX_CONNECTIONS must be a whole number from 1"},
		{"a span in days", map[string]string{"BRIDGE_STREAM_MAX_AGE": "7d"}, ""},
		{"no span", map[string]string{"BRIDGE_STREAM_MAX_AGE": planted}, "BRIDGE_STREAM_MAX_AGE must be a span"},
		{"no number", map[string]string{"BRIDGE_MAX_IN_FLIGHT": planted}, "BRIDGE_MAX_IN_FLIGHT must be a whole number"},
		{"no level", map[string]string{"BRIDGE_LOG_LEVEL": planted}, "BRIDGE_LOG_LEVEL must be debug"},
		{"no address", map[string]string{"BRIDGE_LISTEN": planted}, "BRIDGE_LISTEN must be an address"},
		{"two tokens in the prefix", map[string]string{"BRIDGE_SUBJECT_PREFIX": "a.b"}, "BRIDGE_SUBJECT_PREFIX must be one token"},
		{"a window longer than the age", map[string]string{"BRIDGE_STREAM_MAX_AGE": "1m", "BRIDGE_STREAM_DUPLICATES": "2m"}, "BRIDGE_STREAM_DUPLICATES must not be longer"},
		{"a short age alone", map[string]string{"BRIDGE_STREAM_MAX_AGE": "1m"}, ""},
		{"replicas of one server", map[string]string{"BRIDGE_STREAM_REPLICAS": "3"}, "BRIDGE_STREAM_REPLICAS must be 1 with the embedded server"},
		{"credentials without a remote", map[string]string{"BRIDGE_NATS_CREDS": planted}, "BRIDGE_NATS_CREDS has no effect: "},
		{"an NKey without a remote", map[string]string{"BRIDGE_NATS_NKEY": planted}, "BRIDGE_NATS_NKEY has no effect: "},
		{"a user without a remote", map[string]string{"BRIDGE_NATS_USER": "x"}, "BRIDGE_NATS_USER has no effect: "},
		{"a password without a remote", map[string]string{"BRIDGE_NATS_PASSWORD": planted}, "set BRIDGE_NATS_URL, or unset BRIDGE_NATS_PASSWORD"},
		{"a password from a file without a remote", map[string]string{"BRIDGE_NATS_PASSWORD_FILE": file}, "unset BRIDGE_NATS_PASSWORD_FILE"},
		{"authorities without a remote", map[string]string{"BRIDGE_NATS_CA": file}, "BRIDGE_NATS_CA has no effect: "},
		{"a certificate without a remote", map[string]string{"BRIDGE_NATS_CERT": file, "BRIDGE_NATS_KEY": file}, "BRIDGE_NATS_CERT has no effect: "},
		{"TLS first without a remote", map[string]string{"BRIDGE_NATS_TLS_FIRST": "true"}, "BRIDGE_NATS_TLS_FIRST has no effect: "},
		{"no TLS first without a remote", map[string]string{"BRIDGE_NATS_TLS_FIRST": "false"}, ""},
		{"TLS first", map[string]string{"BRIDGE_NATS_TLS_FIRST": "true", "BRIDGE_NATS_URL": "tls://host"}, ""},
		{"direct without a remote", map[string]string{"BRIDGE_DELIVERY": "direct"}, "BRIDGE_DELIVERY has no effect: "},
		{"the default delivery without a remote", map[string]string{"BRIDGE_DELIVERY": "journal"}, ""},
		{"a journal without a remote", map[string]string{"BRIDGE_JOURNAL_MAX_BYTES": "1GiB"}, "BRIDGE_JOURNAL_MAX_BYTES has no effect: "},
		{"a journal with direct", map[string]string{"BRIDGE_JOURNAL_MAX_BYTES": "1GiB", "BRIDGE_NATS_URL": "host", "BRIDGE_DELIVERY": "direct"}, "BRIDGE_JOURNAL_MAX_BYTES has no effect: "},
		{"a journal", map[string]string{"BRIDGE_JOURNAL_MAX_BYTES": "1GiB", "BRIDGE_NATS_URL": "host"}, ""},
		{"a sync with direct", map[string]string{"BRIDGE_SYNC": "server", "BRIDGE_NATS_URL": "host", "BRIDGE_DELIVERY": "direct"}, "BRIDGE_SYNC has no effect: "},
		{"the default sync with direct", map[string]string{"BRIDGE_SYNC": "commit", "BRIDGE_NATS_URL": "host", "BRIDGE_DELIVERY": "direct"}, ""},
		{"a consumers' user beside a remote", map[string]string{"BRIDGE_NATS_LISTEN_USER": "x", "BRIDGE_NATS_LISTEN_PASSWORD": planted, "BRIDGE_NATS_URL": "host"}, "BRIDGE_NATS_LISTEN_USER has no effect: "},
		{"a consumers' certificate beside a remote", map[string]string{"BRIDGE_NATS_LISTEN_CERT": file, "BRIDGE_NATS_LISTEN_KEY": file, "BRIDGE_NATS_URL": "host"}, "BRIDGE_NATS_LISTEN_CERT has no effect: "},
		{"where the image and a unit file put things", map[string]string{"BRIDGE_NATS_LISTEN": "127.0.0.1:0", "BRIDGE_NATS_URL": "host", "BRIDGE_DELIVERY": "direct"}, ""},
		{"a user without a password", map[string]string{"BRIDGE_NATS_LISTEN_USER": "x"}, "must be set together"},
		{"an unknown mode", map[string]string{"BRIDGE_EVENT_MODE": planted}, "BRIDGE_EVENT_MODE must be structured or binary"},
		{"a rate", map[string]string{"BRIDGE_RATE": "0.5"}, ""},
		{"no rate", map[string]string{"BRIDGE_RATE": "fast"}, "BRIDGE_RATE must be a number"},
		{"networks", map[string]string{"BRIDGE_ALLOW": "10.0.0.0/8, 2001:db8::1", "BRIDGE_TRUSTED_PROXIES": "192.0.2.0/24"}, ""},
		{"no network", map[string]string{"BRIDGE_ALLOW": "10.0.0.0/99"}, "BRIDGE_ALLOW must be networks"},
		{"a token that is its id", map[string]string{"BRIDGE_ZOHO_TOKENS": "1:1"}, "BRIDGE_ZOHO_TOKENS entry 1 uses the id as its token"},
		{"a remote", map[string]string{"BRIDGE_NATS_URL": "nats://host:4222"}, ""},
		{"a delivery that there is not", map[string]string{"BRIDGE_DELIVERY": "pigeon"}, "BRIDGE_DELIVERY must be journal or direct"},
		{"a sync", map[string]string{"BRIDGE_SYNC": "1s"}, ""},
		{"no sync", map[string]string{"BRIDGE_SYNC": planted}, "BRIDGE_SYNC must be"},
		{"a NATS URL with a broken password", map[string]string{"BRIDGE_NATS_URL": "nats://me:" + planted + "/2@host", "BRIDGE_DELIVERY": "direct"}, "BRIDGE_NATS_URL must be"},
		{"a NATS URL with two users", map[string]string{"BRIDGE_NATS_URL": "nats://me:" + planted + "@2@host", "BRIDGE_DELIVERY": "direct"}, "BRIDGE_NATS_URL must be"},
		{"a NATS URL without a scheme", map[string]string{"BRIDGE_NATS_URL": "host:4222", "BRIDGE_DELIVERY": "direct"}, ""},
		{"a secret for the name of its file", map[string]string{"BRIDGE_ZOHO_TOKENS_FILE": planted}, "BRIDGE_ZOHO_TOKENS_FILE cannot be read"},
		{"a public URL with a query", map[string]string{"BRIDGE_PUBLIC_URL": "https://x/?secret=" + planted}, "BRIDGE_PUBLIC_URL entry 1 must be"},
		{"one of several public URLs", map[string]string{"BRIDGE_PUBLIC_URL": "https://x, ftp://" + planted + "/y"}, "BRIDGE_PUBLIC_URL entry 2 must be"},
		{"a public URL twice", map[string]string{"BRIDGE_PUBLIC_URL": "https://x,https://x/"}, "BRIDGE_PUBLIC_URL entry 2 is there twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			clean(t)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			env := &config.Environment{}
			_, _, err := client.Load(env)
			switch {
			case test.says == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
				t.Errorf("said %v", err)
			}
			if err != nil && strings.Contains(err.Error(), planted) {
				t.Errorf("the error shows the value: %v", err)
			}
			var out strings.Builder
			for _, asJSON := range []bool{true, false} {
				if err := printConfig(&out, env.All(bridge.Known().Providers()), asJSON); err != nil {
					t.Fatal(err)
				}
			}
			if strings.Contains(out.String(), planted) && strings.Contains(test.name, "file") {
				t.Errorf("config shows the secret: %s", out.String())
			}
		})
	}
}

// config says where each value came from, and masks every secret, also one inside a URL.
func TestConfigMasks(t *testing.T) {
	clean(t)
	t.Setenv("BRIDGE_ZOHO_TOKENS", "1:"+planted)
	t.Setenv("BRIDGE_ZOHO_TOKEN_SECRET", planted)
	t.Setenv("BRIDGE_NATS_URL", "nats://me:"+planted+"@one:4222,nats://me:"+planted+"@two:4222")
	t.Setenv("BRIDGE_NATS_PASSWORD", planted)
	t.Setenv("BRIDGE_DELIVERY", "direct")
	env := &config.Environment{}
	if _, _, err := client.Load(env); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := printConfig(&out, env.All(bridge.Known().Providers()), true); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), planted) {
		t.Error(out.String())
	}
	for _, line := range []string{
		`{"name":"BRIDGE_ZOHO_TOKENS","value":"***","from":"environment"`, `"value":"***@two:4222"`,
		`{"name":"BRIDGE_LISTEN","value":":8080","from":"default"`,
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no line %s in\n%s", line, out.String())
		}
	}
}

// The variables of the bridge itself come under a heading of their own, before those of each CRM; and a wrong variable that
// several sources read is reported the same way each time, under no source's name.
func TestConfigIsOrdered(t *testing.T) {
	clean(t)
	env := &config.Environment{}
	if _, _, err := client.Load(env); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := printConfig(&out, env.All(bridge.Known().Providers()), false); err != nil {
		t.Fatal(err)
	}
	var firsts []string
	isVariable := regexp.MustCompile(`^(BRIDGE|OTEL)_`).MatchString
	for line := range strings.Lines(out.String()) {
		if words := strings.Fields(line); len(words) > 0 && !isVariable(words[0]) || len(words) > 0 && len(firsts) > 0 && !isVariable(firsts[len(firsts)-1]) {
			firsts = append(firsts, words[0])
		}
	}
	want := []string{"VARIABLE", "crm-bridge", "BRIDGE_ADMIN_HOSTS", "OpenTelemetry", "OTEL_BSP_EXPORT_TIMEOUT"}
	for _, provider := range bridge.Known().Providers() {
		var names []string
		for _, v := range env.Variables {
			if strings.HasPrefix(v.Name, "BRIDGE_"+strings.ToUpper(provider)+"_") {
				names = append(names, v.Name)
			}
		}
		want = append(want, provider, slices.Min(names))
	}
	if diff := cmp.Diff(want, firsts); diff != "" {
		t.Errorf("%s\n%s", diff, out.String())
	}
	t.Setenv("BRIDGE_ZOHO_TOKENS", "no token")
	t.Setenv("BRIDGE_BITRIX24_TOKENS", "no token")
	for range 20 {
		if _, _, err := client.Load(&config.Environment{}); err == nil || !strings.HasPrefix(err.Error(), "BRIDGE_ZOHO_TOKENS entry 1") {
			t.Fatalf("said %v", err)
		}
	}
}

// A value read from a file does not stay in the environment, where a child process would see it.
func TestFileValueLeavesNoTrace(t *testing.T) {
	clean(t)
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("1:"+planted), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BRIDGE_ZOHO_TOKENS_FILE", file)
	if _, _, err := client.Load(&config.Environment{}); err != nil {
		t.Fatal(err)
	}
	if value, ok := os.LookupEnv("BRIDGE_ZOHO_TOKENS"); ok {
		t.Errorf("BRIDGE_ZOHO_TOKENS is now %q", value)
	}
}

// Every variable has a meaning, and a default that can be read.
func TestEveryVariableIsExplained(t *testing.T) {
	clean(t)
	env := &config.Environment{}
	if _, _, err := client.Load(env); err != nil {
		t.Fatal(err)
	}
	for _, v := range env.All(bridge.Known().Providers()) {
		if v.Meaning == "" {
			t.Errorf("%s is not explained", v.Name)
		}
	}
}

// Sizes and moments are read as people write them.
func TestValues(t *testing.T) {
	for text, want := range map[string]config.Size{"1": 1, "512KiB": 512 << 10, "1MiB": 1 << 20, "1.5GiB": 3 << 29, "1MB": 1e6, "10 GiB": 10 << 30, "2k": 2048} {
		var got config.Size
		if err := got.Decode(text); err != nil || got != want {
			t.Errorf("%s is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "1XB", "KiB", "1e9", "99999999999TiB"} {
		var got config.Size
		if err := got.Decode(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"36h": "2026-11-20T00:00:00Z", "7d": "2026-11-14T12:00:00Z", "1d12h": "2026-11-20T00:00:00Z", "2026-11-01": "2026-11-01T00:00:00Z",
		"2026-11-01T10:00:00+02:00": "2026-11-01T08:00:00Z",
	} {
		got, err := config.ParseWhen(text, now)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "-5h", "2026-13-01", "5"} {
		if got, err := config.ParseWhen(text, now); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}
