package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/store"
	"github.com/crm-bridge/crm-bridge/schemas/asyncapi"
)

// The servers in the document are where consumers connect, without the bridge's own credentials.
func TestServersHoldNoCredentials(t *testing.T) {
	const description = "Your own NATS, at the address that the bridge uses. Its operator gives you an account."
	for list, want := range map[string][]asyncapi.Server{
		"nats://127.0.0.1:4333":                    {{Host: "127.0.0.1:4333", Protocol: "nats"}},
		"nats.example.com":                         {{Host: "nats.example.com:4222", Protocol: "nats"}},
		"nats://user:pass%40word@nats.example.com": {{Host: "nats.example.com:4222", Protocol: "nats"}},
		"tls://token@[2001:db8::1], wss://u:p@nats.example.com:443/path?x=secret": {
			{Host: "[2001:db8::1]:4222", Protocol: "nats", TLS: true}, {Host: "nats.example.com:443", Protocol: "wss", TLS: true},
		},
	} {
		for i := range want {
			want[i].Description = description
		}
		if diff := cmp.Diff(want, remoteServers(config.NATS{URL: list})); diff != "" {
			t.Errorf("%s: %s", list, diff)
		}
	}
}

// The embedded server is shown with the address that it listens on; where that is every address, the reader fills in the host.
func TestOwnServer(t *testing.T) {
	for name, c := range map[string]struct {
		listen, public  string
		host, otherwise string
		alone           bool
	}{
		"this machine":                    {"127.0.0.1:4222", "https://crm.example.com", "127.0.0.1:4222", "", true},
		"this machine by name":            {"localhost:4222", "", "localhost:4222", "", true},
		"one address":                     {"192.0.2.7:4222", "", "192.0.2.7:4222", "", false},
		"a name":                          {"nats.internal:4222", "", "nats.internal:4222", "", false},
		"every address":                   {":4222", "", "{host}:4222", "localhost", false},
		"every address of IPv4":           {"0.0.0.0:4222", "https://crm.example.com:8443/crm", "{host}:4222", "crm.example.com", false},
		"every address, a port by chance": {"[::]:0", "", "{host}:4222", "localhost", false},
	} {
		var s config.Settings
		s.NATS.Listen, s.PublicURL, s.NATS.ListenUser, s.NATS.ListenPassword = c.listen, []string{c.public}, "reader", "a-password"
		want := asyncapi.Server{Host: c.host, DefaultHost: c.otherwise, Protocol: "nats", Password: true, Description: "The bridge's own NATS server. Clients can read its streams and cannot write to them."}
		if c.alone {
			want.Description += " Only from the machine that the bridge runs on."
		}
		if diff := cmp.Diff(want, ownServer(s, "nats://0.0.0.0:4222")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The document describes the records that the bridge keeps, of every CRM.
func TestKeptRecordsAreDescribed(t *testing.T) {
	s := config.Settings{Stream: "CRM", SubjectPrefix: "crm", NATS: config.NATS{URL: "nats://127.0.0.1:4222"}}
	crms := CRMs{{Provider: "zoho", KeptModules: []string{"Deals", "Contacts"}}, {Provider: "hubspot"}, {Provider: "bitrix24", KeptModules: []string{"Deal"}}}
	described := newContract(s, crms, &store.EventStore{}, slog.New(slog.DiscardHandler)).described()
	if diff := cmp.Diff([]string{"zoho.Deals", "zoho.Contacts", "bitrix24.Deal"}, described.Records); diff != "" {
		t.Error(diff)
	}
}

// However many subjects there are, the bridge remembers so many and no more.
func TestSeenSubjectsAreBounded(t *testing.T) {
	var c contract
	for i := range maxSubjects + 100 {
		c.note([]ingest.Ack{{Subject: fmt.Sprint("crm.zoho.Deals.op", i)}, {Subject: "crm.zoho.Deals.op1"}})
	}
	if n := len(c.seen()); n != maxSubjects {
		t.Errorf("%d subjects", n)
	}
}

// Another request gets the same bytes; they are made again only when something has changed.
func TestUnchangedIsNotMadeAgain(t *testing.T) {
	of := func(subjects ...string) asyncapi.Facts {
		return asyncapi.Facts{Stream: "CRM", Prefix: "crm", Servers: []asyncapi.Server{{Host: "127.0.0.1:4222"}}, Subjects: subjects}
	}
	first, err := remake(nil, of("crm.zoho.Deals.edit"))
	if err != nil {
		t.Fatal(err)
	}
	same, err := remake(first, of("crm.zoho.Deals.edit"))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := written(t, first), written(t, same); &a.yaml[0] != &b.yaml[0] || &a.html[0] != &b.html[0] || a.policy != b.policy || same.at.Before(first.at) {
		t.Error("it was made again")
	}
	other, err := remake(same, of("crm.zoho.Deals.delete", "crm.zoho.Deals.edit"))
	if err != nil {
		t.Fatal(err)
	}
	if now := written(t, other); !strings.Contains(string(now.yaml), "crm.zoho.Deals.delete") || !strings.Contains(string(now.html), "crm.zoho.Deals.delete") {
		t.Error("it was not made again")
	}
}

// forms are what a contract is served as.
type forms struct {
	yaml []byte
	page
}

func written(t *testing.T, m *made) (f forms) {
	t.Helper()
	var errs [2]error
	f.yaml, errs[0] = m.yaml()
	f.page, errs[1] = m.page()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return f
}
