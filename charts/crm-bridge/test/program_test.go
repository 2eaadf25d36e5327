package test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
)

// program is the bridge, built of the code beside the chart.
var program string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "crm-bridge-chart-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(folder, "crm-bridge")
	build := exec.Command("go", "build", "-o", program, "./cmd/crm-bridge")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

const secretFolder = "/etc/crm-bridge/secrets"

// mounted writes what Kubernetes would mount there into a folder: what the chart's own Secret holds, and something that
// fits for the Secrets of others.
func mounted(t *testing.T, list objects, spec core.PodSpec) string {
	t.Helper()
	into, made := t.TempDir(), map[string]map[string][]byte{}
	for _, secret := range all[*core.Secret](list) {
		made[secret.Name] = secret.Data
	}
	for _, volume := range spec.Volumes {
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			items, content := []core.KeyToPath(nil), []byte("*:something-that-fits")
			if source.ConfigMap != nil {
				items = source.ConfigMap.Items
			}
			if source.Secret != nil {
				items = source.Secret.Items
				if data, ok := made[source.Secret.Name]; ok {
					if content = data[items[0].Key]; content == nil {
						t.Errorf("the chart's Secret has no key %s", items[0].Key)
					}
				}
			}
			for _, item := range items {
				if err := os.WriteFile(filepath.Join(into, item.Path), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return into
}

// environment is that of a container, as the program would find it on this machine.
func environment(container core.Container, secrets, data string) (env []string) {
	for _, v := range container.Env {
		if v.ValueFrom == nil {
			value := strings.Replace(v.Value, secretFolder, secrets, 1)
			if v.Name == "BRIDGE_DATA_DIR" {
				value = data
			}
			env = append(env, v.Name+"="+value)
		}
	}
	return env
}

// setting is a line of "crm-bridge config".
type setting struct{ Name, Value, From, Default string }

// settings asks the program itself what it makes of an environment: it refuses what it does not know or cannot read.
func settings(t *testing.T, env []string) map[string]setting {
	t.Helper()
	command := exec.Command(program, "config", "--json")
	command.Env, command.Dir = env, t.TempDir()
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("the program refuses this environment: %s", exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	found := map[string]setting{}
	for line := range strings.Lines(string(out)) {
		var one setting
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		found[one.Name] = one
	}
	return found
}

// What the chart sets is what the program knows and takes, in the bridge's pods and in that of helm test; and no secret is
// in an environment.
func TestProgramTakesWhatTheChartSets(t *testing.T) {
	set := map[string]bool{}
	for name, values := range cases(t) {
		list := render(t, values)
		for which, spec := range pods(t, list) {
			t.Run(name+" "+which, func(t *testing.T) {
				env := environment(spec.Containers[0], mounted(t, list, spec), t.TempDir())
				for _, one := range settings(t, env) {
					if one.From != "default" {
						set[one.Name] = true
					}
					if one.Value == "***" && one.From == "environment" {
						t.Errorf("%s is secret and stands in the environment", one.Name)
					}
				}
				for _, secret := range all[*core.Secret](list) {
					for key, value := range secret.Data {
						if strings.Contains(strings.Join(env, "\n"), string(value)) {
							t.Errorf("the value of %s stands in the environment", key)
						}
					}
				}
			})
		}
	}
	for name := range settings(t, nil) {
		if !set[name] {
			t.Errorf("%s has no value in the chart, or no case sets it", name)
		}
	}
}

// Each setting of case "everything" reaches the program as it was written.
func TestValuesArriveAsWritten(t *testing.T) {
	list := render(t, read(t, "testdata/values/everything.yaml"))
	spec := pods(t, list)["bridge"]
	got := settings(t, environment(spec.Containers[0], mounted(t, list, spec), t.TempDir()))
	for name, want := range map[string]string{
		"BRIDGE_MAX_IN_FLIGHT": "1000000", "BRIDGE_RATE": "12.5", "BRIDGE_ALLOW": "203.0.113.0/24,2001:db8::/32", "BRIDGE_BITRIX24_OFFLINE": "true",
		"BRIDGE_ZOHO_EVENTS": "Deals.all,Contacts.create", "BRIDGE_STREAM_REPLICAS": "3", "BRIDGE_SYNC": "server", "BRIDGE_DELIVERY": "journal",
		"BRIDGE_DRAIN_DELAY": "20s", "BRIDGE_ANSWER_TIMEOUT": "8s", "BRIDGE_LISTEN": ":18080", "BRIDGE_ADMIN_LISTEN": ":19090",
	} {
		if got[name].Value != want {
			t.Errorf("%s is %q, not %q", name, got[name].Value, want)
		}
	}
}

// The chart's appVersion is the program's version, so that an image of that name is the program that the chart was made for.
func TestVersionsAgree(t *testing.T) {
	c, err := loadChart()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var stamped struct{ Version string }
	if err := json.Unmarshal(out, &stamped); err != nil || stamped.Version != c.AppVersion() {
		t.Errorf("the chart is for %s, and the program is %s (%v)", c.AppVersion(), stamped.Version, err)
	}
}

// serving is the line that the program logs when it takes callbacks.
type serving struct{ Msg, Callbacks, Admin string }

// What is rendered runs: the program starts with that environment, its probes are answered, callbacks arrive, and after
// SIGTERM it answers for the drain delay and ends within the grace.
func TestRenderedPodRuns(t *testing.T) {
	for _, name := range []string{"embedded", "journal"} {
		t.Run(name, func(t *testing.T) {
			list := render(t, read(t, "testdata/values/"+name+".yaml"))
			spec := pods(t, list)["bridge"]
			box := spec.Containers[0]
			command := exec.Command(program, box.Args...)
			for _, entry := range environment(box, mounted(t, list, spec), t.TempDir()) {
				if variable, address, _ := strings.Cut(entry, "="); strings.HasSuffix(variable, "LISTEN") && strings.HasPrefix(address, ":") {
					entry = variable + "=127.0.0.1:0" // a free port in place of the pod's
				}
				command.Env = append(command.Env, entry)
			}
			at, ended := begin(t, command)
			for _, probe := range []*core.Probe{box.StartupProbe, box.ReadinessProbe, box.LivenessProbe} {
				if status := get(t, at.Admin+probe.HTTPGet.Path); status != http.StatusOK {
					t.Errorf("%s is answered with %d", probe.HTTPGet.Path, status)
				}
			}
			if status := post(t, at.Callbacks+"/zoho/notifications"); status != http.StatusUnauthorized {
				t.Errorf("a callback without a token is answered with %d", status)
			}
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
			if took := time.Since(signalled); took < time.Second || took > time.Duration(*spec.TerminationGracePeriodSeconds)*time.Second {
				t.Errorf("it ended after %s, with a delay of 1 s and a grace of %d s", took, *spec.TerminationGracePeriodSeconds)
			}
		})
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

// The program that probes and people call is where the image has it.
func TestProbesCallTheImagesProgram(t *testing.T) {
	probe := pods(t, render(t, read(t, "testdata/values/exec-probes.yaml")))["bridge"].Containers[0].ReadinessProbe
	if probe.Exec == nil || !path.IsAbs(probe.Exec.Command[0]) {
		t.Fatalf("the probe is %+v", probe)
	}
	command := exec.Command(program, slices.Concat(probe.Exec.Command[1:4], []string{"http://127.0.0.1:1/readyz"})...)
	if err := command.Run(); err == nil || command.ProcessState.ExitCode() != 1 {
		t.Errorf("%q: nobody answers, and the program ends with %v", probe.Exec.Command, err)
	}
	if !strings.Contains(strings.Join(probe.Exec.Command, " "), "check --timeout 3s") {
		t.Errorf("the probe is %q", probe.Exec.Command)
	}
}
