package test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "./cmd/crm-bridge")
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
			// Names of Services are known in a cluster only.
			value := strings.NewReplacer(secretFolder, secrets, "crm-crm-bridge:443", "127.0.0.1:443").Replace(v.Value)
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
// in an environment. Each variable of the bridge itself has a value in the chart; those of CRMs are given by their names.
func TestProgramTakesWhatTheChartSets(t *testing.T) {
	set := map[string]bool{}
	for name, values := range cases(t) {
		list := render(t, values)
		for which, spec := range pods(t, list) {
			t.Run(name+" "+which, func(t *testing.T) {
				env := environment(spec.Containers[0], mounted(t, list, spec), t.TempDir())
				for _, problem := range problems(t, env) {
					t.Errorf("the program refuses this environment: %s", problem)
				}
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
		if !set[name] && !ofCRM(t, name) && !strings.HasPrefix(name, "OTEL_") { // the rest of those are for extraEnv
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
		"BRIDGE_MAX_IN_FLIGHT": "1000000", "BRIDGE_MAX_IN_FLIGHT_BYTES": "96MiB", "BRIDGE_MAX_CONNECTIONS": "1000", "BRIDGE_RATE": "12.5", "BRIDGE_ALLOW": "203.0.113.0/24,2001:db8::/32", "BRIDGE_BITRIX24_OFFLINE": "true",
		"BRIDGE_ZOHO_EVENTS": "Deals.all,Contacts.create", "BRIDGE_STREAM_REPLICAS": "3", "BRIDGE_SYNC": "server", "BRIDGE_DELIVERY": "journal",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example.com/otlp", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production,team=sales", "OTEL_TRACES_SAMPLER_ARG": "0.25",
		"OTEL_EXPORTER_OTLP_HEADERS": "***", "OTEL_SERVICE_NAME": "crm-eu", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
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
