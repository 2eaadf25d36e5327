package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// command runs a command of the program against a running bridge; it returns what it printed, and its exit code.
func command(t *testing.T, b *bridge, dir string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(environment(dir), "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"))
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// What one configuration could not understand another can: redriven, it is published as if it had just arrived, with its
// own arrival time, and leaves quarantine; a dry run changes nothing; what is still not understood stays.
func TestRedrive(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, documentedToken, "BRIDGE_EVENT_PER=record", "BRIDGE_MAX_BODY=4MiB")
	records := strings.TrimSuffix(`"1000000033163",`+numbered(100), ",")
	large := strings.Replace(documented, `"1000000033163"`, records, 1)
	large = strings.Replace(large, `"query_params"`, `"padding":"`+strings.Repeat("x", 400<<10)+`","query_params"`, 1)
	waiting := post(t, b.Callbacks+path, large)
	if waiting.Status != 400 || waiting.QuarantineID == "" {
		t.Fatalf("a hundred records of 400 KB were answered %d %.300s", waiting.Status, waiting.Text)
	}
	never := post(t, b.Callbacks+path, strings.Replace(documented, `"Contacts"`, `"Con.tacts"`, 1))
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	before := time.Now()
	b = start(t, dir, documentedToken, "BRIDGE_MAX_BODY=4MiB")
	out, code := command(t, b, dir, "quarantine", "redrive", "--all", "--dry-run")
	if code != 1 || !strings.Contains(out, `"subject":"crm.zoho.Contacts.edit"`) || !strings.Contains(out, "module must be") {
		t.Errorf("the dry run ended with %d: %s", code, out)
	}
	if out, _ := command(t, b, dir, "quarantine", "list"); strings.Count(out, "\n") != 2 {
		t.Errorf("after a dry run there wait %s", out)
	}
	if out, code := command(t, b, dir, "quarantine", "drop", ""); code != 2 {
		t.Errorf("drop of nothing ended with %d: %s", code, out)
	}
	if out, code = command(t, b, dir, "quarantine", "redrive", "--all"); code != 1 || !strings.Contains(out, `"sequence":1`) {
		t.Errorf("the redrive ended with %d: %s", code, out)
	}
	out, code = command(t, b, dir, "quarantine", "list")
	if code != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(out, never.QuarantineID) {
		t.Errorf("after it there wait %s", out)
	}
	c, _ := consumer(t, b.NATS, "crm.>")
	msg, err := c.Next(jetstream.FetchMaxWait(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		ID   string
		Time time.Time
		Data struct{ IDs []string }
	}
	if err := json.Unmarshal(msg.Data(), &e); err != nil {
		t.Fatal(err)
	}
	if e.ID != waiting.QuarantineID {
		t.Errorf("published under the id %s, not under the one that it was kept under: a second redrive would double it", e.ID)
	}
	if !e.Time.Before(before) || len(e.Data.IDs) != 101 {
		t.Errorf("published with the time %s, after %s, and %d records", e.Time, before, len(e.Data.IDs))
	}
	if out, code = command(t, b, dir, "quarantine", "drop", never.QuarantineID); code != 0 || !strings.Contains(out, never.QuarantineID) {
		t.Errorf("drop ended with %d: %s", code, out)
	}
	if out, _ = command(t, b, dir, "quarantine", "list"); out != "" {
		t.Errorf("in the end there wait %s", out)
	}
	if out, code = command(t, b, dir, "quarantine", "show", never.QuarantineID); code != 1 || !strings.Contains(out, "there is no callback") {
		t.Errorf("show of what is gone ended with %d: %s", code, out)
	}
}

func numbered(n int) string {
	var all strings.Builder
	for i := range n {
		all.WriteString(`"57257670000030` + string(rune('0'+i/10)) + string(rune('0'+i%10)) + `",`)
	}
	return all.String()
}

// Nobody but the bridge's own user sees or settles what is in quarantine.
func TestQuarantineIsClosed(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken)
	for _, request := range [][2]string{{"GET", "/quarantine"}, {"GET", "/quarantine/show?id=x"}, {"POST", "/quarantine/redrive"}, {"POST", "/quarantine/drop"}, {"POST", "/erase"}} {
		req, err := http.NewRequestWithContext(t.Context(), request[0], b.Admin+request[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Admin-Token", "guessed")
		if status, text := do(t, req); status != 401 {
			t.Errorf("%s %s was answered %d %s", request[0], request[1], status, text)
		}
	}
	if out, code := command(t, b, t.TempDir(), "quarantine", "list"); code != 1 || !strings.Contains(out, "own user") {
		t.Errorf("with another data folder the command ended with %d: %s", code, out)
	}
}
