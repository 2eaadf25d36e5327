package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// send --dry-run prints, beside the running bridge, the event that it then publishes for the same callback, but for id and times.
func TestDryRunIsWhatTheBridgePublishes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, eraseKey)
	file := filepath.Join(t.TempDir(), "callback.json")
	if err := os.WriteFile(file, []byte(`{"id":"5725767000003000010","Stage":"Won","Amount":12345678901234567890.10,"token":"planted"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	event := func(line string) map[string]any {
		var one struct{ Event map[string]any }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, name := range []string{"id", "time", "recordedtime"} {
			delete(one.Event, name)
		}
		return one.Event
	}
	env := append(environment(dir), eraseKey, "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://"))
	args := []string{"send", "zoho-webhooks", "--module", "Deals", "--file", file}
	would := runs(t, env, append(args, "--dry-run")...)
	if messages, _ := holds(t, b.NATS); messages != 0 || would.code != 0 {
		t.Fatalf("it published %d events: %+v", messages, would)
	}
	if r := runs(t, env, append(args, "--url", b.Callbacks)...); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	is := runs(t, env, "tail", "--since", "1h", "--count", "1")
	if is.code != 0 {
		t.Fatalf("%+v", is)
	}
	if diff := cmp.Diff(event(is.out), event(would.out)); diff != "" {
		t.Error(diff)
	}
}

// runs runs a command of the program in an environment.
func runs(t *testing.T, env []string, args ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return ran{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}
