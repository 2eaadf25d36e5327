package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
)

// Wrong usage ends with 2 and one plain sentence; a failure with 1.
func TestExitCodes(t *testing.T) {
	clean(t)
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"version", 0, ""},
		{"config", 0, ""},
		{"nonsense", 2, "there is no command \"nonsense\" (crm-bridge --help shows how)"},
		{"tial", 2, "the nearest is tail"},
		{"quarantine lst", 2, "the nearest is list (crm-bridge quarantine --help shows how)"},
		{"serve extra", 2, "takes no argument"},
		{"send --no-such-flag", 2, "unknown flag"},
		{"send no-such-kind", 2, "the kinds are"},
		{"send --count 0", 2, "--count"},
		{"tail --since nonsense", 2, "is not a time"},
		{"tail --since nonsense", 2, "(crm-bridge tail --help shows how)"},
		{"tail --count -1", 2, "--count"},
		{"tail crm..x", 2, "is not a subject"},
		{"record zoho Deals", 2, "takes a provider, a module and the id"},
		{"record nonsense Deals 1", 2, "there are bitrix24, hubspot, pipedrive and zoho"},
		{"record zoho no.module 1", 2, "is not the name of a module"},
		{"connect", 2, "takes a provider; there are bitrix24, hubspot, pipedrive and zoho"},
		{"demo --stay", 2, "--stay belongs to --crm"},
		{"demo --crm --every 1s", 2, "belong to --crm --stay"},
		{"demo --crm --stay --every -1s", 2, "--every must not be negative"},
		{"help nonsense", 2, "nonsense"},
		{"help send", 0, ""},
		{"check nonsense", 2, "give a URL"},
		{"check http://127.0.0.1:1/readyz", 1, "does not answer"},
		{"check --timeout 0s", 2, "--timeout"},
		{"check --url http://127.0.0.1:1", 2, "belongs to --roundtrip"},
		{"check --roundtrip http://127.0.0.1:1", 2, "as --url"},
		{"check --roundtrip --url 127.0.0.1:1", 2, "must be a URL"},
		{"check --roundtrip", 1, "no source has a secret here"},
		{"check --roundtrip", 1, "is the folder of the running bridge"},
		{"send --url http://127.0.0.1:1 --token x", 1, "no bridge answers"},
		{"send", 1, "no Zoho token is configured"},
		{"send", 1, "is the folder of the running bridge"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), strings.Fields(test.args), &out, &errs)
		if code != test.code || !strings.Contains(errs.String(), test.says) || strings.Count(errs.String(), "\n") > 1 {
			t.Errorf("%s: exit %d, said %q", test.args, code, errs.String())
		}
	}
}

// Every command explains itself, with an example.
func TestHelp(t *testing.T) {
	for _, cmd := range append(rootCommand().Commands(), rootCommand()) {
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s: no short help or no example", cmd.Name())
		}
	}
}

// The data folder is held by one process: the second says what to do.
func TestDataFolderIsLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	first, err := datadir.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := datadir.Open(soon, path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "in use by another crm-bridge") || !strings.Contains(err.Error(), path) {
		t.Errorf("the second said %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := datadir.Open(stopped, path, slog.New(slog.DiscardHandler)); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped while it waited, it said %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := datadir.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()

	secret, err := again.Secret("some-secret")
	if err != nil || len(secret) != 43 || url.PathEscape(secret) != secret || url.QueryEscape(secret) != secret {
		t.Fatalf("secret of %d characters: %v", len(secret), err)
	}
	if same, err := again.Secret("some-secret"); err != nil || same != secret {
		t.Errorf("the secret changed: %v", err)
	}
	info, err := os.Stat(filepath.Join(path, "some-secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret's file has mode %v: %v", info.Mode(), err)
	}
}

// The demo runs from beginning to end, shows each step, and leaves nothing behind.
func TestDemo(t *testing.T) {
	clean(t)
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("BRIDGE_LISTEN", "not an address") // the demo is a bridge of its own
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"demo"}, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s%s", code, out.String(), errs.String())
	}
	for _, text := range []string{"200", "crm.zoho.Contacts.edit", "(a repeat)", "401", "400", "billing reads", "audit reads", `"specversion": "1.0"`} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("does not show %s:\n%s", text, out.String())
		}
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// An entity in lower case is the module as the CRM's API writes it.
func TestEntities(t *testing.T) {
	for provider, want := range map[string]string{"bitrix24": "Deal", "zoho": "Deal", "hubspot": "deal", "pipedrive": "deal"} {
		if got := moduleOf(provider, "deal"); got != want {
			t.Errorf("%s: the module is %s", provider, got)
		}
	}
}

// Processes that make a secret at the same time, beside a bridge that holds the folder, all get the same one.
func TestSecretIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	held, err := datadir.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	var all sync.WaitGroup
	var made atomic.Int32
	secrets := make([]string, 16)
	for i := range secrets {
		all.Go(func() {
			secret, isNew, err := datadir.MakeSecret(path, "some-secret")
			if err != nil {
				t.Error(err)
			}
			if secrets[i] = secret; isNew {
				made.Add(1)
			}
		})
	}
	all.Wait()
	own, err := held.Secret("some-secret")
	if different := len(slices.Compact(secrets)); err != nil || different != 1 || secrets[0] != own || made.Load() != 1 {
		t.Errorf("%d secrets, made %d times: %v", different, made.Load(), err)
	}
}
