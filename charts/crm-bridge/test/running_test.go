package test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
)

// serving is the line that the program logs when it takes callbacks.
type serving struct{ Msg, Callbacks, Admin, NATS string }

// own is a pod's environment with addresses of this machine: free ports, or those that a running bridge has.
func own(env []string, at serving) (here []string) {
	running := map[string]string{"BRIDGE_LISTEN": at.Callbacks, "BRIDGE_ADMIN_LISTEN": at.Admin, "BRIDGE_NATS_LISTEN": at.NATS}
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if url, listens := running[name]; listens {
			_, address, _ := strings.Cut(url, "://")
			entry = name + "=" + cmp.Or(address, "127.0.0.1:0")
		}
		here = append(here, entry)
	}
	return here
}

// What is rendered runs: the program starts with that environment, its probes are answered, what NOTES.txt says next works,
// and after SIGTERM it answers for the drain delay and ends within the grace.
func TestRenderedPodRuns(t *testing.T) {
	for name, next := range map[string][]string{"embedded": {"send", "tail --since 5m --count 1"}, "journal": {"send"}} {
		t.Run(name, func(t *testing.T) {
			list := render(t, read(t, "testdata/values/"+name+".yaml"))
			spec := pods(t, list)["bridge"]
			box := spec.Containers[0]
			env := environment(box, mounted(t, list, spec), t.TempDir())
			command := exec.Command(program, box.Args...)
			command.Env = own(env, serving{})
			at, ended := begin(t, command)
			for _, probe := range []*core.Probe{box.StartupProbe, box.ReadinessProbe, box.LivenessProbe} {
				if status := get(t, at.Admin+probe.HTTPGet.Path); status != http.StatusOK {
					t.Errorf("%s is answered with %d", probe.HTTPGet.Path, status)
				}
			}
			for _, words := range next {
				typed := exec.Command(program, strings.Fields(words)...)
				typed.Env, typed.Dir = own(env, at), t.TempDir()
				if out, err := typed.CombinedOutput(); err != nil || !strings.Contains(string(out), "crm.zoho.Contacts.edit") {
					t.Errorf("crm-bridge %s: %v\n%s", words, err, out)
				}
			}
			end(t, command, at, ended, time.Duration(*spec.TerminationGracePeriodSeconds)*time.Second)
		})
	}
}

// end sends SIGTERM to a bridge with a drain delay of a second.
func end(t *testing.T, command *exec.Cmd, at serving, ended chan error, grace time.Duration) {
	t.Helper()
	signalled := time.Now()
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range time.Tick(time.Millisecond) {
		if get(t, at.Admin+"/readyz") != http.StatusOK { // the signal is heard
			break
		}
	}
	if status := post(t, at.Callbacks+"/zoho/notifications"); status != http.StatusUnauthorized {
		t.Errorf("a callback during the drain delay is answered with %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(signalled); took < time.Second || took > grace {
		t.Errorf("it ended after %s, with a delay of 1s and a grace of %s", took, grace)
	}
}

// begin starts the program, and returns when it serves; ended tells how it ended.
func begin(t *testing.T, command *exec.Cmd) (at serving, ended chan error) {
	t.Helper()
	command.Dir = t.TempDir()
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	lines := bufio.NewScanner(log)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if json.Unmarshal(lines.Bytes(), &at) == nil && at.Msg == "serving" {
			ended = make(chan error, 1)
			go func() {
				for lines.Scan() { // so that it can write
				}
				ended <- command.Wait()
			}()
			return at, ended
		}
	}
	t.Fatalf("it ended before it served:\n%s", strings.Join(said, "\n"))
	return at, nil
}

func get(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func post(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(`{"channel_id":"1","token":"guessed"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}
