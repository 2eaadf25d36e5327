package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// tailing is a running crm-bridge tail.
type tailing struct {
	cmd *exec.Cmd

	mu    sync.Mutex
	lines []string
	said  strings.Builder // on stderr
}

// tail runs the program's tail, and returns when it has printed its first line: the event that stands in the stream.
func tail(t *testing.T, env []string, args ...string) *tailing {
	t.Helper()
	run := &tailing{cmd: exec.Command(program, append([]string{"tail"}, args...)...)}
	run.cmd.Env = env
	stdout, err := run.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run.cmd.Stderr = writerFunc(func(p []byte) (int, error) {
		run.mu.Lock()
		defer run.mu.Unlock()
		return run.said.Write(p)
	})
	if err := run.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewReader(stdout); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			run.mu.Lock()
			run.lines = append(run.lines, line)
			run.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = run.cmd.Process.Kill()
		<-read
		_ = run.cmd.Wait()
	})
	waitFor(t, func() bool { return len(run.printed()) > 0 })
	return run
}

func (r *tailing) printed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines[:len(r.lines):len(r.lines)]
}

func (r *tailing) stderr() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.String()
}

// printedJust fails unless tail printed the events with the sequences 1 to last, each once and in order.
func (r *tailing) printedJust(t *testing.T, last int) {
	t.Helper()
	waitFor(t, func() bool { return len(r.printed()) >= last })
	for i, text := range r.printed() {
		var line struct{ Sequence int }
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Sequence != i+1 {
			t.Fatalf("line %d shows sequence %d (%v); stderr:\n%s", i+1, line.Sequence, err, r.stderr())
		}
	}
}

// holds returns how many messages the stream holds, and its last sequence.
func holds(t *testing.T, url string) (int, int) {
	t.Helper()
	_, js := consumer(t, url, "crm.>")
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	state := stream.CachedInfo().State
	return int(state.Msgs), int(state.LastSeq)
}

// tail prints every event once and in order, although the bridge is killed twice while callbacks come in; it says so.
func TestTailOutlivesTheBridge(t *testing.T) {
	dir, nats := t.TempDir(), "BRIDGE_NATS_LISTEN=127.0.0.1:"+freePort(t)
	b := start(t, dir, documentedToken, nats)
	post(t, b.Callbacks+path, documented)
	watch := tail(t, append(environment(dir), nats), "--since", "1h")
	for round := 1; round <= 3; round++ {
		end := make(chan struct{})
		accepted := load(b.Callbacks+path, 4, end)
		already := len(watch.printed())
		waitFor(t, func() bool { return len(watch.printed()) > already+100 })
		if round < 3 {
			_ = b.stop(t, syscall.SIGKILL)
		}
		close(end)
		accepted()
		if round == 3 {
			break
		}
		waitFor(t, func() bool { return strings.Count(watch.stderr(), "connection lost") == round })
		b = start(t, dir, documentedToken, nats)
		// Nobody waits for tail to be back: what comes before must not be missed.
		post(t, b.Callbacks+path, distinct(round))
		waitFor(t, func() bool { return strings.Count(watch.stderr(), "back") == round })
	}
	messages, last := holds(t, b.NATS)
	if messages != last {
		t.Fatalf("the stream holds %d messages up to #%d", messages, last)
	}
	watch.printedJust(t, last)
	if lines := strings.Count(watch.stderr(), "\n"); lines != 4 {
		t.Errorf("two kills were told in %d lines:\n%s", lines, watch.stderr())
	}
	if err := watch.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if state, err := watch.cmd.Process.Wait(); err != nil || state.ExitCode() != 0 {
		t.Errorf("Ctrl-C ended it with %v %v", state, err)
	}
}

// Live, without --since, nothing is missed either if the bridge dies before the first event.
func TestTailMissesNoFirstEvent(t *testing.T) {
	dir, nats := t.TempDir(), "BRIDGE_NATS_LISTEN=127.0.0.1:"+freePort(t)
	b := start(t, dir, documentedToken, nats)
	post(t, b.Callbacks+path, distinct(0)) // before: not shown
	watch := exec.Command(program, "tail", "--count", "1")
	watch.Env = append(environment(dir), nats)
	var said, out strings.Builder
	stderr, err := watch.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	watch.Stdout = &out
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	_, js := consumer(t, b.NATS, "crm.>")
	waitFor(t, func() bool {
		stream, err := js.Stream(t.Context(), "CRM")
		if err != nil {
			return false
		}
		for info := range stream.ListConsumers(t.Context()).Info() {
			if info.NumWaiting > 0 { // it asked for what comes
				return true
			}
		}
		return false
	})
	_ = b.stop(t, syscall.SIGKILL)
	lines := bufio.NewReader(io.TeeReader(stderr, &said))
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	b = start(t, dir, documentedToken, nats)
	post(t, b.Callbacks+path, distinct(1))
	_, _ = io.Copy(io.Discard, lines)
	if err := watch.Wait(); err != nil || !strings.Contains(out.String(), "9000000000001") {
		t.Errorf("%v: printed %s, said %s", err, out.String(), said.String())
	}
}

// A remote NATS that restarts is waited for. A stream that was deleted and recreated is reported, and read from its first event.
func TestTailOutlivesARemote(t *testing.T) {
	store := t.TempDir()
	remote := openRemote(t, store, -1)
	url := "BRIDGE_NATS_URL=" + remote.ClientURL()
	b := start(t, t.TempDir(), documentedToken, url)
	for i := range 3 {
		post(t, b.Callbacks+path, distinct(i))
	}
	watch := tail(t, append(environment(t.TempDir()), url), "--since", "1h")
	watch.printedJust(t, 3)
	remote.Shutdown()
	remote.WaitForShutdown()
	post(t, b.Callbacks+path, distinct(3))
	remote = restart(t, remote.ClientURL(), store)
	watch.printedJust(t, 4)

	_, js := consumer(t, remote.ClientURL(), "crm.>")
	if err := js.DeleteStream(t.Context(), "CRM"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		return strings.Contains(watch.stderr(), "stream not found") || strings.Contains(watch.stderr(), "consumer deleted")
	})
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}}); err != nil {
		t.Fatal(err)
	}
	post(t, b.Callbacks+path, distinct(4))
	waitFor(t, func() bool { return len(watch.printed()) == 5 })
	if last := watch.printed()[4]; !strings.Contains(last, `"sequence":1,`) || !strings.Contains(last, "9000000000004") {
		t.Errorf("printed %s", last)
	}
	if !strings.Contains(watch.stderr(), "was recreated") {
		t.Errorf("said %s", watch.stderr())
	}
}

// When the data folder is gone, and with it the stream and the password, tail goes on with the new one.
func TestTailOutlivesTheData(t *testing.T) {
	dir, nats := t.TempDir(), "BRIDGE_NATS_LISTEN=127.0.0.1:"+freePort(t)
	b := start(t, dir, documentedToken, nats)
	post(t, b.Callbacks+path, distinct(1))
	post(t, b.Callbacks+path, distinct(2))
	watch := tail(t, append(environment(dir), nats), "--since", "1h")
	watch.printedJust(t, 2)
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	b = start(t, dir, documentedToken, nats)
	post(t, b.Callbacks+path, distinct(3))
	waitFor(t, func() bool { return len(watch.printed()) == 3 })
	if !strings.Contains(watch.printed()[2], "9000000000003") || !strings.Contains(watch.stderr(), "was recreated") {
		t.Errorf("printed %s, said %s", watch.printed()[2], watch.stderr())
	}
}

// Events are chosen by several subjects, by record and by origin.
func TestTailChooses(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	for _, module := range []string{"Contacts", "Deals", "Leads", "Deals"} {
		post(t, b.Callbacks+path, strings.Replace(documented, `"Contacts"`, `"`+module+`"`, 1))
	}
	post(t, b.Callbacks+path, strings.Replace(documented, `"1000000033163"`, `"7","8"`, 1))
	nats := "BRIDGE_NATS_LISTEN=" + strings.TrimPrefix(b.NATS, "nats://")
	for _, want := range []struct {
		args      []string
		sequences string
	}{
		{[]string{"crm.zoho.Deals.*", "crm.zoho.Leads.*", "--count", "3"}, "2 3 4"},
		{[]string{"--subject", "crm.zoho.Deals.*,crm.zoho.Leads.*", "--subject", "crm.zoho.Deals.edit", "--count", "3"}, "2 3 4"},
		{[]string{"crm.*.Deals.edit", "crm.zoho.*.edit", "--count", "5"}, "1 2 3 4 5"},
		{[]string{"--record", "8", "--count", "1"}, "5"},
		{[]string{"--origin", "live", "crm.zoho.Leads.*", "--count", "1"}, "3"},
	} {
		cmd := exec.Command(program, append([]string{"tail", "--since", "1h"}, want.args...)...)
		cmd.Env = append(environment(dir), nats)
		timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		out, err := cmd.Output()
		timer.Stop()
		var got []string
		for line := range strings.Lines(string(out)) {
			var e struct{ Sequence int }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(e.Sequence))
		}
		if err != nil || strings.Join(got, " ") != want.sequences {
			t.Errorf("%v printed %v: %v", want.args, got, err)
		}
	}
	for _, wrong := range [][]string{{"foo.bar"}, {"--since", "1h", "crm.zoho.Deals.edit", "other.>"}} {
		cmd := exec.Command(program, append([]string{"tail"}, wrong...)...)
		cmd.Env = append(environment(dir), nats)
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "holds crm.>") {
			t.Errorf("%v ended with %d: %s", wrong, cmd.ProcessState.ExitCode(), out)
		}
	}
}
