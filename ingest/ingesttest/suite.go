// Package ingesttest holds what every CRM must satisfy. Its tests make one call: Run.
package ingesttest

import (
	"bytes"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

// Suite is a CRM to be tested, with the secrets of its genuine callbacks configured.
type Suite struct {
	CRM     *ingest.CRM
	Genuine []Genuine // of every source
	// Lister returns a Lister of a CRM that has one record, which is in the body of an example. nil: the CRM lists nothing.
	Lister func(*testing.T, schemas.Change) ingest.Lister
}

// Genuine is a callback as the CRM sends it.
type Genuine struct {
	Name    string
	Method  string
	Target  string // path and query
	Header  http.Header
	Body    []byte
	Secrets []string // every secret that the callback carries; the first proves it
}

// Run checks that the CRM's sources accept what is genuine and reject what is not, that no secret leaves on any path, that they
// decode their own samples, and that the examples of their schemas are what the bridge makes.
func Run(t *testing.T, s Suite) {
	t.Run("names", func(t *testing.T) { s.names(t) })
	Callbacks(t, s.CRM, s.Genuine...)
	t.Run("every source decodes its own samples", func(t *testing.T) { s.samples(t) })
	t.Run("examples are real", func(t *testing.T) { examples(t, s.CRM, s.Lister) })
}

// Callbacks checks that a CRM's sources accept genuine callbacks, reject them without their proof, and let no secret out.
func Callbacks(t *testing.T, crm *ingest.CRM, genuine ...Genuine) {
	t.Helper()
	s := Suite{CRM: crm}
	for _, g := range genuine {
		t.Run(g.Name, func(t *testing.T) {
			t.Run("is accepted and leaves no secret", func(t *testing.T) { s.accepted(t, g) })
			t.Run("is refused without its proof", func(t *testing.T) { s.forged(t, g) })
			t.Run("cut off anywhere leaves no secret", func(t *testing.T) { s.truncated(t, g) })
		})
	}
}

var provider = regexp.MustCompile(`^[a-z][a-z0-9]*$`)

func (s Suite) names(t *testing.T) {
	if !provider.MatchString(s.CRM.Provider) || s.CRM.Words.Name == "" || s.CRM.Words.Module == "" {
		t.Errorf("provider %q or its words %+v are incomplete", s.CRM.Provider, s.CRM.Words)
	}
	if words := s.CRM.Words; (words.Wanted == "") != (words.Target == "") {
		t.Errorf("of the words %+v, Wanted and Target belong together: a CRM with subscriptions has both, another neither", words)
	}
	routes, labels := map[ingest.Route]bool{}, map[string]bool{s.CRM.RecordsLabel(): true}
	for _, source := range s.CRM.Sources {
		if label := source.Label(); !strings.HasPrefix(label, s.CRM.Provider+"-") || labels[label] {
			t.Errorf("the label %q does not begin with the provider, or is given twice", label)
		}
		labels[source.Label()] = true
		for _, route := range source.Routes() {
			if !strings.HasPrefix(route.Path, "/"+s.CRM.Provider+"/") || route.Method == "" || routes[route] {
				t.Errorf("route %+v does not begin with the provider, or is given twice", route)
			}
			routes[route] = true
		}
		if len(source.Routes()) == 0 {
			t.Errorf("%s has no route", source.Label())
		}
	}
	for _, variable := range slices.Concat(s.CRM.Words.Credentials, s.CRM.Words.Subscribing()) {
		if variable != "" && !s.isVariable(variable) {
			t.Errorf("%q is not a variable of the CRM", variable)
		}
	}
}

func (s Suite) isVariable(name string) bool {
	return strings.HasPrefix(name, "BRIDGE_"+strings.ToUpper(s.CRM.Provider)+"_")
}

func (s Suite) accepted(t *testing.T, g Genuine) {
	door := open(t, s.CRM)
	status, answer := door.post(t, g.Method, g.Target, g.Header, g.Body)
	if status != http.StatusOK {
		t.Fatalf("answered %d: %s", status, answer)
	}
	if len(door.events) == 0 {
		t.Fatal("made no event")
	}
	door.findSecrets(t, g.Secrets)
}

func (s Suite) forged(t *testing.T, g Genuine) {
	proof := g.Secrets[0]
	for _, fake := range []string{"", "x", proof[:len(proof)-1], proof + "x", strings.Repeat("a", len(proof))} {
		door := open(t, s.CRM)
		target := strings.ReplaceAll(g.Target, proof, fake)
		body := bytes.ReplaceAll(g.Body, []byte(proof), []byte(fake))
		header := http.Header{}
		for name, values := range g.Header {
			for _, value := range values {
				header.Add(name, strings.ReplaceAll(value, proof, fake))
			}
		}
		status, answer := door.post(t, g.Method, target, header, body)
		if status != http.StatusUnauthorized {
			t.Errorf("with the proof %q it was answered %d: %s", fake, status, answer)
		}
		if len(door.events)+len(door.kept) > 0 {
			t.Errorf("with the proof %q something was kept", fake)
		}
		for _, word := range []string{"token", "secret", "proof\"", "channel"} {
			if strings.Contains(strings.ToLower(answer), word) {
				t.Errorf("the answer says what was wrong with the proof: %s", answer)
			}
		}
		door.findSecrets(t, g.Secrets[1:])
	}
}

func (s Suite) truncated(t *testing.T, g Genuine) {
	parts := 97
	if testing.Short() {
		parts = 9
	}
	for cut := 0; cut < len(g.Body); cut += 1 + len(g.Body)/parts {
		door := open(t, s.CRM)
		status, answer := door.post(t, g.Method, g.Target, g.Header, g.Body[:cut])
		if status != 200 && status != 400 && status != 401 {
			t.Errorf("cut at %d it was answered %d: %s", cut, status, answer)
		}
		door.findSecrets(t, g.Secrets)
		if t.Failed() {
			return
		}
	}
}

func (s Suite) samples(t *testing.T) {
	m := mapping(t, s.CRM)
	for _, source := range s.CRM.Sources {
		maker, ok := source.(ingest.Sampler)
		if !ok {
			t.Fatalf("%s is not an ingest.Sampler", source.Label())
		}
		if variable, _ := maker.Proof(); !s.isVariable(variable) {
			t.Errorf("samples of %s are authenticated with %q, which is not a variable of the CRM", source.Label(), variable)
		}
		for _, operation := range []string{"create", "edit", "delete"} {
			for _, module := range []string{"Deals", ""} {
				s.sample(t, m, source, maker, operation, module)
			}
		}
	}
}

func (s Suite) sample(t *testing.T, m *transform.Mapping, source ingest.Source, maker ingest.Sampler, operation, module string) {
	t.Helper()
	want := ingest.Change{Module: module, Operation: operation, IDs: []string{"12345678901234567890"}, OccurredAt: time.UnixMilli(1718115953625).UTC(), ReceivedAt: time.UnixMilli(1718115953700).UTC()}
	cb, err := maker.Sample(want, "")
	if err != nil {
		t.Fatal(err)
	}
	if signer, ok := source.(ingest.Signer); ok {
		cb.Host, cb.URI = "bridge.example.com", cb.Path
		if err := signer.Sign(&cb, "http://"+cb.Host+cb.URI, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := source.Verify(t.Context(), cb); err != nil {
		t.Errorf("a sample of %s: %v", source.Label(), err)
	}
	unread := cb
	unread.Body = nil
	if err := source.Verify(t.Context(), unread); err != nil && !errors.Is(err, ingest.ErrForged) {
		t.Errorf("a sample of %s, before its body is read: %v", source.Label(), err)
	}
	changes, err := source.Decode(cb)
	if err != nil || len(changes) != 1 {
		t.Fatalf("a sample of %s decodes to %d changes: %v", source.Label(), len(changes), err)
	}
	got := changes[0]
	if module != "" && got.Module != module || got.Module == "" || got.Operation != want.Operation || len(got.IDs) != 1 || got.IDs[0] != want.IDs[0] {
		t.Errorf("sampled %s %s %v, decoded %s %s %v", module, want.Operation, want.IDs, got.Module, got.Operation, got.IDs)
	}
	if got.Source != source.Label() || got.Provider != s.CRM.Provider {
		t.Errorf("a change of %s is of %s, source %s", source.Label(), got.Provider, got.Source)
	}
	if _, err := encoded(m, got); err != nil {
		t.Errorf("a sample of %s, %s: %v", source.Label(), operation, err)
	}
}
