package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
)

// dryRun runs send --dry-run with a file.
func dryRun(t *testing.T, body string, args ...string) (out, errs string, code int) {
	t.Helper()
	args = append([]string{"send", "--dry-run"}, args...)
	if body != "" {
		file := filepath.Join(t.TempDir(), "callback")
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--file", file)
	}
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// A dry run prints what each kind of callback would become, as lines of JSON, without a bridge, and makes no data folder.
func TestSendDryRun(t *testing.T) {
	clean(t)
	folder := filepath.Join(t.TempDir(), "none")
	t.Setenv("BRIDGE_DATA_DIR", folder)
	for _, kind := range bridge.Known().Labels() {
		out, errs, code := dryRun(t, "", kind, "--count", "2")
		if code != 0 || errs != "" || strings.Count(out, "\n") != 2 {
			t.Fatalf("%s: exit %d, %q, said %q", kind, code, out, errs)
		}
		for line := range strings.Lines(out) {
			var one struct {
				Subject string
				Event   struct{ SpecVersion, ID, Type string }
			}
			if err := json.Unmarshal([]byte(line), &one); err != nil || one.Event.SpecVersion != "1.0" || one.Event.ID == "" || one.Subject != one.Event.Type {
				t.Errorf("%s: %s: %v", kind, line, err)
			}
		}
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the data folder was made: %v", err)
	}
}

// A dry run shows events as they are configured: by record, on their prefix, without masked fields.
func TestSendDryRunIsConfigured(t *testing.T) {
	clean(t)
	for name, value := range map[string]string{
		"BRIDGE_SUBJECT_PREFIX": "acme", "BRIDGE_EVENT_PER": "record", "BRIDGE_FIELDS_DROP": "zoho.Deals.Secret_Field", "BRIDGE_PUBLIC_URL": "https://crm.example.com/hooks",
	} {
		t.Setenv(name, value)
	}
	out, errs, code := dryRun(t, `{"id":["1","2"],"Secret_Field":"planted-value","Stage":"Won"}`, "zoho-webhooks", "--module", "Deals")
	if code != 0 || strings.Count(out, `{"subject":"acme.zoho.Deals.edit","event":`) != 2 || strings.Contains(out, "planted") || !strings.Contains(out, `"Stage":"Won"`) {
		t.Errorf("exit %d, said %q:\n%s", code, errs, out)
	}
	if !strings.Contains(out, `"dataschema":"https://crm.example.com/hooks/schemas/v1/zoho-webhooks.json"`) {
		t.Errorf("not with the public URL:\n%s", out)
	}
}

// A callback that would not be accepted makes a dry run fail, with the answer and the reason, and never the secret.
func TestSendDryRunRefuses(t *testing.T) {
	clean(t)
	t.Setenv("BRIDGE_ZOHO_WEBHOOK_SECRET", planted)
	for name, test := range map[string]struct {
		body string
		args string
		code int
		says []string
	}{
		"wrong secret":  {"", "zoho-webhooks --token wrong-secret-of-somebody", 1, []string{"the answer would be 401: not authenticated", "--token; leave it out"}},
		"no JSON":       {"{bad", "zoho-webhooks", 1, []string{"the answer would be 400: the callback would be quarantined: malformed: the body is not JSON"}},
		"wrong module":  {"", "zoho-webhooks --module no.module", 1, []string{"would be quarantined: malformed: module must be"}},
		"too large":     {strings.Repeat(" ", 2<<20), "zoho-webhooks", 1, []string{"the answer would be 413"}},
		"with a URL":    {"", "--url http://127.0.0.1:1", 2, []string{"--dry-run posts nothing"}},
		"unknown kind":  {"", "acme-webhooks", 2, []string{"the kinds are"}},
		"part of batch": {`[{"eventId":1,"subscriptionType":"contact.propertyChange","objectId":1,"portalId":1,"occurredAt":1718115953625,"propertyName":"a","propertyValue":"b"},{"eventId":2,"subscriptionType":"contact.propertyChange","portalId":1}]`, "hubspot-webhooks", 1, []string{"a part of the callback would be quarantined: malformed"}},
	} {
		out, errs, code := dryRun(t, test.body, strings.Fields(test.args)...)
		if code != test.code || strings.Count(errs, "\n") != 1 || strings.Contains(errs, planted) {
			t.Errorf("%s: exit %d, said %q", name, code, errs)
		}
		for _, text := range test.says {
			if !strings.Contains(errs, text) {
				t.Errorf("%s: said %q, not %q", name, errs, text)
			}
		}
		if want := name == "part of batch"; want != (strings.Count(out, "\n") == 1) {
			t.Errorf("%s: printed %q", name, out)
		}
	}
}

// A dry run beside a running bridge takes its secrets, and holds and changes nothing in its folder.
func TestSendDryRunBesideABridge(t *testing.T) {
	clean(t)
	folder := os.Getenv("BRIDGE_DATA_DIR")
	if err := os.WriteFile(filepath.Join(folder, "zoho-webhook-secret"), []byte(strings.Repeat("s", 43)), 0o600); err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]int{strings.Repeat("s", 43): 0, strings.Repeat("t", 43): 1} {
		if out, errs, code := dryRun(t, "", "zoho-webhooks", "--token", secret); code != want {
			t.Errorf("exit %d, not %d: %s %s", code, want, out, errs)
		}
	}
	var files []string
	if err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		files = append(files, path)
		return err
	}); err != nil || len(files) != 2 {
		t.Errorf("the folder holds %q: %v", files, err)
	}
}
