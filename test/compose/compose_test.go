// Package compose tests the Compose files of examples/compose: they are read by Compose's own parser, and what they say is run as
// processes. It knows nothing of containers; .ci/image runs the image.
package compose

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const root = "../.."

var examples = []string{"embedded", "nats"}

// load reads the Compose file of an example as docker compose does: what the format does not know is an error.
func load(t *testing.T, folder string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(folder, "compose.yaml")}, cli.WithWorkingDirectory(folder))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// A container cannot write outside of its volumes, gain a right, fill the memory or the disk of its machine, or be reached from other
// machines; it is checked, started again, and stopped only after it has drained.
func TestHardened(t *testing.T) {
	for _, example := range examples {
		for name, service := range load(t, filepath.Join(root, "examples/compose", example)).Services {
			t.Run(example+"/"+name, func(t *testing.T) {
				rules := map[string]bool{
					"read_only":         service.ReadOnly,
					"cap_drop":          slices.Equal(service.CapDrop, []string{"ALL"}) && service.CapAdd == nil && !service.Privileged,
					"security_opt":      slices.Contains(service.SecurityOpt, "no-new-privileges:true"),
					"mem_limit":         service.MemLimit >= 64<<20,
					"pids_limit":        service.PidsLimit > 0,
					"restart":           service.Restart == types.RestartPolicyUnlessStopped,
					"logging":           service.Logging != nil && service.Logging.Options["max-size"] != "" && service.Logging.Options["max-file"] != "",
					"healthcheck":       service.HealthCheck != nil && service.HealthCheck.Interval != nil,
					"stop_grace_period": service.StopGracePeriod != nil && time.Duration(*service.StopGracePeriod) >= 30*time.Second,
					"image":             !strings.HasSuffix(service.Image, ":latest") && strings.Contains(service.Image, ":"),
				}
				for rule, holds := range rules {
					if !holds {
						t.Errorf("%s does not hold", rule)
					}
				}
				for _, port := range service.Ports {
					if port.HostIP != "127.0.0.1" {
						t.Errorf("port %d is published on %q", port.Target, port.HostIP)
					}
				}
				for key := range service.Environment {
					if regexp.MustCompile(`(SECRET|PASSWORD|TOKENS?|KEY)$`).MatchString(key) {
						t.Errorf("%s is in the environment, which docker inspect shows", key)
					}
				}
			})
		}
	}
}

// prepared is a copy of an example in which the commands of its heading have run, up to those that need root or Docker.
func prepared(t *testing.T, example string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(root, "examples/compose", example))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for line := range strings.Lines(string(text)) {
		command, ok := strings.CutPrefix(line, "#   ")
		if !ok || strings.HasPrefix(command, "sudo") || strings.HasPrefix(command, "docker") {
			continue
		}
		run := exec.CommandContext(t.Context(), "sh", "-ec", command)
		run.Dir = folder
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		ran++
	}
	if ran == 0 {
		t.Fatalf("the heading of %s names no command", example)
	}
	return folder
}

// Every secret and every file that a Compose file mounts exists after the commands of its heading, and every secret that a service has is
// used by it.
func TestFiles(t *testing.T) {
	for _, example := range examples {
		folder := prepared(t, example)
		project := load(t, folder)
		for name, secret := range project.Secrets {
			if info, err := os.Stat(secret.File); err != nil || info.Size() == 0 {
				t.Errorf("%s: secret %s: %v", example, name, err)
			}
		}
		for name, config := range project.Configs {
			if info, err := os.Stat(config.File); err != nil || info.Size() == 0 {
				t.Errorf("%s: config %s: %v", example, name, err)
			}
		}
		bridge := project.Services["bridge"]
		for _, secret := range bridge.Secrets {
			if !slices.ContainsFunc(values(bridge), func(value string) bool { return value == "/run/secrets/"+secret.Source }) {
				t.Errorf("%s: no variable reads the secret %s", example, secret.Source)
			}
		}
	}
}

func values(service types.ServiceConfig) (all []string) {
	for _, value := range service.Environment {
		if value != nil {
			all = append(all, *value)
		}
	}
	return all
}

// The files name the version of the program that the repository is, as the chart does.
func TestVersion(t *testing.T) {
	chart, err := os.ReadFile(filepath.Join(root, "charts/crm-bridge/Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^appVersion: "?([^"\n]+)`).FindStringSubmatch(string(chart))
	module, err := fs.ReadFile(os.DirFS(root), "go.mod")
	if err != nil {
		t.Fatal(err)
	}
	server := regexp.MustCompile(`nats-server/v2 v(\S+)`).FindStringSubmatch(string(module))
	for _, example := range examples {
		for name, service := range load(t, filepath.Join(root, "examples/compose", example)).Services {
			want := map[string]string{"bridge": "ghcr.io/crm-bridge/crm-bridge:" + version[1], "nats": "nats:" + server[1] + "-alpine"}[name]
			if service.Image != want {
				t.Errorf("%s runs %s, not %s", name, service.Image, want)
			}
		}
	}
}
