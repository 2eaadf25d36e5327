package test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
)

// helm test passes: what its pod is given brings a callback into the bridge, with a token from the same Secret, and its event
// back over the address for consumers, with what consumers prove themselves with.
func TestHelmTestPasses(t *testing.T) {
	list := render(t, read(t, "testdata/values/embedded.yaml"))
	box := pods(t, list)["bridge"].Containers[0]
	command := exec.Command(program, box.Args...)
	command.Env = own(environment(box, mounted(t, list, pods(t, list)["bridge"]), t.TempDir()), serving{})
	at, ended := begin(t, command)

	tester := one[*core.Pod](t, list).Spec
	env := environment(tester.Containers[0], mounted(t, list, tester), t.TempDir())
	args := slices.Clone(tester.Containers[0].Args)
	for name, want := range map[string]string{"crm-crm-bridge": "callbacks", "crm-crm-bridge-nats": "nats"} {
		for _, service := range all[*core.Service](list) {
			if service.Name == name && portName(service.Spec.Ports[0]) != want {
				t.Errorf("the Service %s leads to %s", name, portName(service.Spec.Ports[0]))
			}
		}
	}
	// The names of Services are known in a cluster only.
	services := strings.NewReplacer("http://crm-crm-bridge:80", at.Callbacks, "nats://crm-crm-bridge-nats.sales.svc:4222", at.NATS)
	for i := range args {
		args[i] = services.Replace(args[i])
	}
	for i := range env {
		env[i] = services.Replace(env[i])
	}
	typed := exec.Command(program, args...)
	typed.Env, typed.Dir = env, t.TempDir()
	if out, err := typed.CombinedOutput(); err != nil || !strings.Contains(string(out), "BridgeTest") {
		t.Errorf("crm-bridge %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	end(t, command, at, ended, time.Minute)
}
