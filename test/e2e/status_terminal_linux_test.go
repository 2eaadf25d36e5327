package e2e

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// On a terminal of 80 columns status says first that the bridge is well, in green; no line is wider, and NO_COLOR is obeyed.
func TestStatusOnATerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	env := append(environment(dir), "TERM=xterm", "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"))
	coloured := onTerminal(t, 80, env, "status")
	if !strings.HasPrefix(coloured, "\x1b[32mcrm-bridge ") || !strings.Contains(coloured, " is well: nothing needs a person\x1b[0m\n") {
		t.Errorf("the terminal shows %q", coloured)
	}
	shown := onTerminal(t, 80, append(env, "NO_COLOR=1"), "status")
	commandsNothing(t, "status", shown)
	for line := range strings.Lines(shown) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
	for _, want := range []string{"durability a 200 guarantees: fsynced to", "zoho-notifications", " s ago", "CRM_QUARANTINE"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not on the terminal:\n%s", want, shown)
		}
	}
}
