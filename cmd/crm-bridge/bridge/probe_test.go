package bridge

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// provableBy is a source whose schema is served, with secrets.
type provableBy struct {
	unsure
	secrets []string
}

func (provableBy) Label() string             { return "zoho-notifications" }
func (s provableBy) Secrets() ingest.Secrets { return ingest.Secrets{Values: s.secrets} }

func withSecrets(values ...string) *ingest.CRM {
	return &ingest.CRM{Provider: "acme", Sources: []ingest.Source{provableBy{secrets: values}}}
}

// The bridge proves that it has a secret to who has it too, and to nobody else.
func TestProbeIsAnsweredToWhoHasTheSecret(t *testing.T) {
	crms, err := Opening{Env: &config.Environment{}, Setup: ingest.Setup{MadeSecret: func(name string) (string, error) { return "made-" + name, nil }}}.Open(Openers)
	if err != nil {
		t.Fatal(err)
	}
	source := crms[0].Sources[0]
	secret, at := source.Secrets().Values[0], schemas.Path(source.Label())
	question := probeMAC(secret, "question", "random")
	if got := crms.prove(at, "random."+question); got != probeMAC(secret, "answer", "random") || got == question {
		t.Errorf("answered %q", got)
	}
	for name, probe := range map[string]string{
		"another secret": "random." + probeMAC("guessed", "question", "random"), "another text": "other." + question, "no proof": "random", "an answer": "random." + probeMAC(secret, "answer", "random"),
		"too long": strings.Repeat("x", maxProbe) + "." + probeMAC(secret, "question", strings.Repeat("x", maxProbe)),
	} {
		if got := crms.prove(at, probe); got != "" {
			t.Errorf("%s is answered", name)
		}
	}
	for _, other := range []string{schemas.Path(crms[0].Sources[1].Label()), "/" + source.Label(), "/console/" + source.Label() + ".json", source.Label()} {
		if got := crms.prove(other, "random."+question); got != "" {
			t.Errorf("a probe of %s is answered", other)
		}
	}
}

// A secret that could be guessed is neither asked for nor confirmed, and a password is not confirmed without its user.
func TestProbesGuessNothing(t *testing.T) {
	short := withSecrets("hunter2", "another-secret-of-the-source")
	for _, secret := range short.Sources[0].Secrets().Values {
		if got := (CRMs{short}).prove(schemas.Path("zoho-notifications"), "random."+probeMAC(secret, "question", "random")); got != "" {
			t.Errorf("%s is confirmed", secret)
		}
	}
	webhooks := &pipedrive.Webhooks{User: "an-operator", Passwords: ingest.SecretList{"a-long-password"}, APIToken: "a-token-of-the-api"}
	crms, at := CRMs{{Provider: "pipedrive", Sources: []ingest.Source{webhooks}}}, schemas.Path(webhooks.Label())
	for secret, confirmed := range map[string]bool{
		"a-long-password": false, "a-token-of-the-api": false, base64.StdEncoding.EncodeToString([]byte("an-operator:a-long-password")): false, "an-operator:a-long-password": true,
	} {
		if got := crms.prove(at, "random."+probeMAC(secret, "question", "random")) != ""; got != confirmed {
			t.Errorf("%s: confirmed %t", secret, got)
		}
	}
}

// From a probe on its way to a server nobody can guess a secret: over plain http beyond this machine it has none.
func TestNoProbeOverPlainHTTP(t *testing.T) {
	crm := withSecrets("a-long-secret-of-the-source")
	for url, asks := range map[string]bool{
		"https://crm.example.com": true, "http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://localhost": true, "http://crm.example.com": false, "http://10.1.2.3": false,
	} {
		_, secret, unchecked := questionFor(url, crm)
		if (secret != "") != asks || (unchecked == "") != asks {
			t.Errorf("%s: asks %t, %q", url, secret != "", unchecked)
		}
	}
	if _, secret, unchecked := questionFor("https://crm.example.com", withSecrets("hunter2")); secret != "" || !strings.Contains(unchecked, "shorter than 12 characters") {
		t.Errorf("a short secret is asked for: %q", unchecked)
	}
}

// What connect says where the bridge compares no secrets is no verdict on them: an address that is not allowed, and too many probes.
func TestProbeIsNotAnswered(t *testing.T) {
	crm := withSecrets("a-long-secret-of-the-source")
	var allow ingest.Networks
	h := &receive.Handler{
		Metrics: receive.NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler), Prove: CRMs{crm}.prove, Public: map[string]receive.PublicFile{
			"/schemas/v1/{family}": func(string) (http.Header, []byte, bool) { return nil, []byte(`{"$id": "urn:crm-bridge:x"}`), true },
		},
	}
	probe := func() (string, error) {
		server := httptest.NewServer(h.HTTP())
		defer server.Close()
		return Probe(t.Context(), http.DefaultClient, server.URL, crm)
	}
	if unchecked, err := probe(); err != nil || unchecked != "" {
		t.Errorf("from anywhere: %q, %v", unchecked, err)
	}
	if err := allow.Decode("203.0.113.0/24"); err != nil {
		t.Fatal(err)
	}
	h.Allow = allow
	if unchecked, err := probe(); err != nil || !strings.Contains(unchecked, "BRIDGE_ALLOW") {
		t.Errorf("from elsewhere: %q, %v", unchecked, err)
	}
}
