package ingest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Each org of a CRM sees its own state; the first org's keys are what they were when a CRM had one org.
func TestOrgsHaveTheirOwnState(t *testing.T) {
	shared, secret := &ingest.Memory{}, &ingest.Memory{}
	all := ingest.State{Shared: shared, Secret: secret}
	for _, org := range []string{"", "emea"} {
		state := all.OfOrg("acme", org)
		for _, store := range []ingest.Store{state.Shared, state.Secret} {
			if value, _, err := store.Load(t.Context(), "acme.channels"); err != nil || value != nil {
				t.Errorf("the org %q sees %q, %v", org, value, err)
			}
			if _, err := store.Save(t.Context(), "acme.channels", []byte("of "+org), 0); err != nil {
				t.Error(err)
			}
			if value, _, err := store.Load(t.Context(), "acme.channels"); err != nil || string(value) != "of "+org {
				t.Errorf("the org %q sees %q, %v", org, value, err)
			}
		}
	}
	want := map[string]string{"acme.channels": "of ", "org.acme.emea.acme.channels": "of emea"}
	if diff := cmp.Diff(want, shared.All()) + cmp.Diff(want, secret.All()); diff != "" {
		t.Error(diff)
	}
	if (ingest.State{}).OfOrg("acme", "emea").Shared != nil {
		t.Error("a state that is not there is there for an org")
	}
}

// An error of a further org names the org's variables, however often it is explained, and stays the error that it is.
func TestExplain(t *testing.T) {
	crm := &ingest.CRM{Rename: strings.NewReplacer("BRIDGE_ACME_TOKENS", "BRIDGE_ACME_EMEA_TOKENS").Replace}
	err := crm.Explain(crm.Explain(fmt.Errorf("%w: set BRIDGE_ACME_TOKENS", ingest.ErrRetry)))
	if !errors.Is(err, ingest.ErrRetry) || err.Error() != "not stored: set BRIDGE_ACME_EMEA_TOKENS" {
		t.Error(err)
	}
	if crm.Explain(nil) != nil {
		t.Error("no error is one")
	}
	if err := (&ingest.CRM{}).Explain(ingest.ErrRetry); !errors.Is(err, ingest.ErrRetry) {
		t.Error(err)
	}
}

// A body is parsed once, and another one again: also a part of it, and one that fails.
func TestParseOnce(t *testing.T) {
	parses := 0
	parse := func(cb ingest.Callback) (string, error) {
		parses++
		return string(cb.Body), fmt.Errorf("%w: %s", ingest.ErrMalformed, cb.Body)
	}
	body := []byte("a whole body")
	cb := ingest.Callback{Parsed: &ingest.Parsed{}}
	for i, one := range []struct {
		body   []byte
		parses int
	}{{nil, 1}, {nil, 1}, {body, 2}, {body, 2}, {body[:7], 3}, {body[8:], 4}, {[]byte("body"), 5}, {nil, 6}} {
		cb.Body = one.body
		text, err := ingest.ParseOnce(cb, parse)
		if text != string(one.body) || !errors.Is(err, ingest.ErrMalformed) || !strings.HasSuffix(err.Error(), text) || parses != one.parses {
			t.Errorf("%d: %q, %v after %d parses", i, text, err, parses)
		}
	}
	if number, err := ingest.ParseOnce(cb, func(ingest.Callback) (int, error) { return 7, nil }); number != 7 || err != nil {
		t.Errorf("parsed as something else it is %d, %v", number, err)
	}
	cb.Parsed = nil
	_, _ = ingest.ParseOnce(cb, parse)
	if _, _ = ingest.ParseOnce(cb, parse); parses != 8 {
		t.Errorf("without a Parsed there were %d parses", parses)
	}
}
