//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a terminal of so many columns: a person's and a program's.
func openTerminal(t *testing.T, width uint16) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: width}); err != nil {
		t.Fatal(err)
	}
	if theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// onTerminal runs the program on a terminal of so many columns, and returns what a person would get.
func onTerminal(t *testing.T, width uint16, env []string, args ...string) string {
	t.Helper()
	ours, theirs := openTerminal(t, width)
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdout = env, theirs
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	shown := make(chan string)
	go func() {
		var all bytes.Buffer
		_, _ = all.ReadFrom(ours) // ends with an error when nobody has the other end any more
		shown <- all.String()
	}()
	err := cmd.Run()
	_ = theirs.Close()
	if err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	return strings.ReplaceAll(<-shown, "\r\n", "\n")
}

// hostileField is a name of a field that a terminal would obey: it clears the screen, sets the title, and turns text around.
const hostileField = `A\u001b[2J\u001b]0;owned\u0007\u009b31m\u202eB\r\b`

// commandsNothing fails the test if a terminal would obey what is shown on it, or a person not see it.
func commandsNothing(t *testing.T, what, shown string) {
	t.Helper()
	for _, r := range shown {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e) {
			t.Errorf("%s: %U reaches the terminal: %q", what, r, shown)
			return
		}
	}
}

// What waits in quarantine is what somebody has sent: none of it commands the terminal on which it is listed or shown.
func TestQuarantineOnATerminal(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	hostile := "Con\u009b2J\u202e" + `\u001b[2J\u0007\u007f`
	waits := post(t, b.Callbacks+path, strings.Replace(documented, `"Contacts"`, `"`+hostile+`"`, 1))
	if waits.QuarantineID == "" {
		t.Fatalf("answered %d %s", waits.Status, waits.Text)
	}
	env := append(environment(dir), "TERM=xterm", "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"))
	for what, args := range map[string][]string{
		"list": {"list"}, "JSON": {"list", "--json"}, "show": {"show", waits.QuarantineID},
	} {
		shown := onTerminal(t, 200, env, append([]string{"quarantine"}, args...)...)
		commandsNothing(t, what, shown)
		if !strings.Contains(shown, waits.QuarantineID[:8]) && !strings.Contains(shown, `Con\u009b2J`) {
			t.Errorf("%s shows %q", what, shown)
		}
	}
}

// On a terminal tail prints a line for each event, coloured by what happened, no wider than the terminal; nothing that
// somebody wrote into the CRM commands the terminal, in any of the ways to print, nor when it is replayed.
func TestTailOnATerminal(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	field := strings.Replace(documented, `"channel_id"`, `"affected_fields":[{"1000000033163":["`+hostileField+`","Stage","Amount","Closing_Date","Next_Step","Lead_Source","Campaign_Source"]}],"channel_id"`, 1)
	for _, operation := range []string{"insert", "update", "delete"} {
		if a := post(t, b.Callbacks+path, strings.Replace(field, `"update"`, `"`+operation+`"`, 1)); a.Status != 200 {
			t.Fatalf("answered %d %s", a.Status, a.Text)
		}
	}
	env := append(environment(dir), "TERM=xterm", "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://"))
	args := []string{"tail", "--since", "1h", "--count", "3"}
	colours := regexp.MustCompile("\x1b\\[[0-9]*m")
	lines := onTerminal(t, 100, env, args...)
	for operation, colour := range map[string]string{"create": "32", "edit": "36", "delete": "31"} {
		if !strings.Contains(lines, "\x1b["+colour+"mcrm.zoho.Contacts."+operation) {
			t.Errorf("%s is not painted %s: %q", operation, colour, lines)
		}
	}
	for what, shown := range map[string]string{
		"lines": lines, "JSON": onTerminal(t, 100, env, append(args, "--json")...), "pretty": onTerminal(t, 100, env, append(args, "--pretty")...),
		"replay": onTerminal(t, 100, env, "replay", "--since", "1h"), "no colour": onTerminal(t, 100, append(env, "NO_COLOR=1"), args...), "dumb": onTerminal(t, 100, append(env, "TERM=dumb"), args...),
	} {
		bare := colours.ReplaceAllString(shown, "")
		commandsNothing(t, what, bare)
		if what != "lines" && what != "pretty" && bare != shown {
			t.Errorf("%s is coloured: %q", what, shown)
		}
		if !strings.Contains(bare, `\u001b[2J`) && !strings.Contains(bare, `\x1b[2J`) {
			t.Errorf("%s does not show the name: %s", what, bare)
		}
	}
	for _, width := range []uint16{80, 100, 200} {
		bare := colours.ReplaceAllString(onTerminal(t, width, env, args...), "")
		if strings.Count(bare, "\n") != 3 {
			t.Errorf("three events are %q", bare)
		}
		for line := range strings.Lines(bare) {
			if columns := utf8.RuneCountInString(line) - 1; columns > int(width) {
				t.Errorf("a line of %d columns on a terminal of %d: %s", columns, width, line)
			}
		}
	}
}

// On a terminal record shows a record as it is and its history, no wider than the terminal; nothing that somebody wrote into the CRM
// commands the terminal.
func TestRecordOnATerminal(t *testing.T) {
	crm, env := keepsRecords(t)
	dir := t.TempDir()
	start(t, dir, env...)
	env = append(append(environment(dir), env...), "TERM=xterm")
	waitFor(t, func() bool { return len(crm.Live()) == 1 })
	id, err := crm.Create("Deals", map[string]any{"Stage": "New", "Deal_Name": "A\x1b[2J\u009b31m\u202e" + strings.Repeat("long ", 100)})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(recordStates(t, env, id)) == 1 })
	if err := crm.Update("Deals", id, map[string]any{"Stage": "Won"}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(recordStates(t, env, id)) == 2 })
	if states := recordStates(t, append(env, "BRIDGE_DATA_DIR="+t.TempDir()), id); len(states) != 2 {
		t.Errorf("who may only read sees %d states", len(states))
	}
	for _, width := range []uint16{80, 200} {
		shown := onTerminal(t, width, env, "record", "zoho", "Deals", id)
		bare := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(shown, "")
		commandsNothing(t, "record", bare)
		if bare == shown || !strings.Contains(bare, `A\x1b[2J\u009b31m`) || !strings.Contains(bare, "New  →  Won") || !strings.HasPrefix(bare, "zoho Deals "+id+", account default\nlast changed ") {
			t.Errorf("shows %s", shown)
		}
		for line := range strings.Lines(bare) {
			if columns := utf8.RuneCountInString(line) - 1; columns > int(width) {
				t.Errorf("a line of %d columns on a terminal of %d: %s", columns, width, line)
			}
		}
	}
}
