package bitrix24_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/body"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

const (
	member         = "a223c6b3710f85df22e9377d6c4f7553"
	token          = "51856fefc120afa4b628cc82d3935cce"
	accessToken    = "s6p6eclrvim6da22ft9ch94ekreb52lv"
	refreshToken   = "4s386p3q0tr8dy89xvmt96234v3dljg8"
	quoted         = `a token with "quotes" & ünïcode`
	workflowSecret = "the-new-workflow-secret"
)

// setup configures both sources; a Setup with nothing configured is made with nil tokens and secrets.
func setup(tokens ingest.Tokens, secrets ingest.SecretList) ingest.Setup {
	return ingest.Setup{
		Env: func(into any) error {
			config := into.(*bitrix24.Config)
			config.Bitrix24.Tokens, config.Bitrix24.WorkflowSecret = tokens, secrets
			return nil
		},
		MadeSecret: func(name string) (string, error) { return "made for " + name, nil },
	}
}

// configured takes every sample of testdata.
func configured() ingest.Setup {
	return setup(ingest.Tokens{
		member:                             {"an-older-token", token},
		"010b6886ebc205e43ae65000ee00addb": {token},
		"995c2cbaf3edb993c1d640820f802149": {token},
		"quoted":                           {quoted},
	}, ingest.SecretList{workflowSecret, "the-old-workflow-secret"})
}

// openEvents opens the source of events.
func openEvents(setup ingest.Setup) (ingest.Source, error) {
	return openSource(setup, bitrix24.EventsLabel)
}

// openWorkflows opens the source of workflows.
func openWorkflows(setup ingest.Setup) (ingest.Source, error) {
	return openSource(setup, bitrix24.WorkflowsLabel)
}

func openSource(setup ingest.Setup, label string) (ingest.Source, error) {
	crm, err := bitrix24.Open(setup)
	if err != nil {
		return nil, err
	}
	return crm.Sources[slices.IndexFunc(crm.Sources, func(s ingest.Source) bool { return s.Label() == label })], nil
}

// open returns a source that takes every sample of testdata.
func open(t testing.TB, opener func(ingest.Setup) (ingest.Source, error)) ingest.Source {
	t.Helper()
	s, err := opener(configured())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mapping(t testing.TB, label string, s ingest.Source) *transform.Mapping {
	t.Helper()
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	return &transform.Mapping{Schemas: set, Redact: transform.NewRedactor(map[string]ingest.Secrets{label: s.Secrets()})}
}

// encoded returns what would leave for a stream, in either mode.
func encoded(m *transform.Mapping) func(ingest.Change) ([][]byte, error) {
	perRecord := *m
	perRecord.PerRecord = true
	return func(c ingest.Change) ([][]byte, error) {
		events, err := m.Events(c)
		if err != nil {
			return nil, err
		}
		each, err := perRecord.Events(c)
		events = append(events, each...)
		var all [][]byte
		for i := range events {
			all = append(all, events[i].AppendJSON(nil))
		}
		return all, err
	}
}

func eventCallback(body []byte) ingest.Callback {
	return ingest.Callback{
		Source: bitrix24.EventsLabel, At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Method: http.MethodPost,
		Path: "/bitrix24/events", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: body,
	}
}

func workflowCallback(operation string, raw []byte, query string) ingest.Callback {
	cb := eventCallback(raw)
	cb.Source, cb.Path, cb.Query, cb.RawQuery = bitrix24.WorkflowsLabel, "/bitrix24/workflows/"+operation, body.Values(query), query
	cb.Params = map[string]string{"operation": operation}
	return cb
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// samples are the callbacks of testdata whose names begin with a prefix.
func samples(t testing.TB, prefix string, least int) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/" + prefix + "-*")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		if !strings.HasSuffix(path, ".event.json") {
			names = append(names, filepath.Base(path))
		}
	}
	if len(names) < least {
		t.Fatalf("found %d samples of %s", len(names), prefix)
	}
	return names
}

// golden compares the event of a callback with its golden file.
func golden(t *testing.T, s ingest.Source, cb ingest.Callback, name string) {
	t.Helper()
	if err := s.Verify(t.Context(), cb); err != nil {
		t.Fatal(err)
	}
	changes, err := s.Decode(cb)
	if err != nil || len(changes) != 1 {
		t.Fatalf("%d changes: %v", len(changes), err)
	}
	events, err := mapping(t, cb.Source, s).Events(changes[0])
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events: %v", len(events), err)
	}
	e := events[0]
	if len(e.ID) != 36 || e.ID[14] != '7' {
		t.Errorf("id %q is not a UUIDv7, though nothing makes it repeatable", e.ID)
	}
	e.ID = "00000000-0000-7000-8000-000000000000"
	var got bytes.Buffer
	compact := e.AppendJSON(nil)
	if err := json.Indent(&got, compact, "", "  "); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{token, accessToken, refreshToken, workflowSecret, "be45f0660000000000000000"} {
		if strings.Contains(got.String(), secret) {
			t.Errorf("the event shows the secret %q", secret)
		}
	}
	file := strings.TrimSuffix(name, filepath.Ext(name)) + ".event.json"
	if *ingesttest.Update {
		if err := os.WriteFile(filepath.Join("testdata", file), append(got.Bytes(), '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(read(t, file)), got.String()+"\n"); diff != "" {
		t.Errorf("event differs from %s (-want +got):\n%s", file, diff)
	}
}
