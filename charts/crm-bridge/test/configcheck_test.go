package test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
)

// ownSecret are values with a Secret of the chart's own.
const ownSecret = "nats: { url: 'nats://nats' }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: '*:a-token-of-channels' } }\n"

// runCheck runs what the Job before an install or upgrade runs, with the files that it would have where no Secret but the chart's own
// exists.
func runCheck(t *testing.T, values string) (out string, ok bool) {
	t.Helper()
	list := render(t, values)
	spec := one[*batch.Job](t, list).Spec.Template.Spec
	secrets := mounted(t, list, spec)
	for _, volume := range spec.Volumes {
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			if source.Secret == nil || source.Secret.Name == "crm-crm-bridge-check" {
				continue
			}
			for _, item := range source.Secret.Items {
				_ = os.Remove(filepath.Join(secrets, item.Path))
			}
		}
	}
	command := exec.Command(program, spec.Containers[0].Args...)
	command.Env, command.Dir = environment(spec.Containers[0], secrets, t.TempDir()), t.TempDir()
	all, err := command.CombinedOutput()
	return string(all), err == nil
}

// What is wrong with the configuration fails an install or an upgrade before it changes anything, with sentences that name the variables
// and show no secret. What is only unreachable now does not.
func TestConfigCheckFailsTheUpgrade(t *testing.T) {
	const secret = "hush-hush-nothing-of-this-is-shown"
	for name, c := range map[string]struct {
		values string
		want   []string // empty: it passes
	}{
		"all is right":              {ownSecret, nil},
		"a NATS that is down":       {strings.Replace(ownSecret, "nats://nats", "nats://127.0.0.1:1", 1), nil},
		"an embedded one":           {embedded, nil},
		"a token without a colon":   {"nats: { url: 'nats://nats' }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: " + secret + " } }", []string{"BRIDGE_ZOHO_TOKENS entry 1 is not of the form"}},
		"a misspelt setting":        {ownSecret + "settings: { BRIDGE_ZOHO_DCC: eu, BRIDGE_STREAN_MAX_AGE: 3d }", []string{"BRIDGE_ZOHO_DCC is not a variable", "BRIDGE_STREAN_MAX_AGE is not a variable"}},
		"a Secret that is missing":  {"nats: { url: 'nats://nats' }\nsecrets: { BRIDGE_ZOHO_TOKENS: { existingSecret: none } }", []string{"BRIDGE_ZOHO_TOKENS_FILE cannot be read: no such file"}},
		"a certificate that is not": {ownSecret + "tls: { existingSecret: none }", []string{"BRIDGE_LISTEN_CERT cannot be read: no such file"}},
		"credentials that are not":  {"nats: { url: 'nats://nats', creds: { existingSecret: none } }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: '*:a-token' } }", []string{"BRIDGE_NATS_CREDS must be the path of a file"}},
		"masks of an unknown CRM":   {ownSecret + "fields: { drop: [acme.Deals.Phone] }", []string{"BRIDGE_FIELDS_DROP names \\\"acme\\\""}},
	} {
		t.Run(name, func(t *testing.T) {
			out, ok := runCheck(t, c.values)
			if ok != (len(c.want) == 0) {
				t.Errorf("it passes: %t\n%s", ok, out)
			}
			for _, text := range c.want {
				if !strings.Contains(out, text) {
					t.Errorf("it does not say %q:\n%s", text, out)
				}
			}
			if strings.Contains(out, secret) {
				t.Errorf("a secret is shown:\n%s", out)
			}
		})
	}
}

// The check comes before what it checks: Helm runs it first, and nothing of the release that it needs has to be there. It needs no claim,
// no port and no network, and it ends.
func TestConfigCheckNeedsNothingOfTheRelease(t *testing.T) {
	for name, values := range cases(t) {
		list := render(t, values)
		if name == "example-cert-manager" { // it disables the check, which would look for a certificate that comes later
			continue
		}
		job := one[*batch.Job](t, list)
		if hook := job.Annotations["helm.sh/hook"]; hook != "pre-install,pre-upgrade" || *job.Spec.BackoffLimit != 0 || *job.Spec.ActiveDeadlineSeconds < 1 {
			t.Errorf("%s: the hook is %q, with %d further attempts", name, hook, *job.Spec.BackoffLimit)
		}
		spec, bridge := job.Spec.Template.Spec, workloadOf(t, list).pod.Spec
		hooks := map[string]bool{}
		for _, secret := range all[*core.Secret](list) {
			hooks[secret.Name] = secret.Annotations["helm.sh/hook"] != ""
		}
		for _, volume := range spec.Volumes {
			if volume.PersistentVolumeClaim != nil || volume.Name == "data" {
				t.Errorf("%s: it needs the volume %s", name, volume.Name)
			}
			if volume.Projected == nil {
				continue
			}
			for _, source := range volume.Projected.Sources {
				if source.ConfigMap != nil && !*source.ConfigMap.Optional || source.Secret != nil && !*source.Secret.Optional {
					t.Errorf("%s: it waits for %+v", name, source)
				}
				if source.Secret == nil {
					continue
				}
				if hook, ours := hooks[source.Secret.Name]; ours && !hook {
					t.Errorf("%s: it needs the Secret %s, which comes after it", name, source.Secret.Name)
				}
			}
		}
		if account := spec.ServiceAccountName; account == "crm-crm-bridge" || spec.HostNetwork || len(spec.Containers[0].Ports) > 0 {
			t.Errorf("%s: it runs as %s, on the node's network: %t", name, account, spec.HostNetwork)
		}
		if got, want := variables(spec.Containers[0]), variables(bridge.Containers[0]); !maps.Equal(got, want) {
			t.Errorf("%s: its environment is %v, and the bridge's is %v", name, got, want)
		}
	}
	if list := render(t, ownSecret+"configCheck: { enabled: false }"); len(all[*batch.Job](list)) > 0 || len(all[*core.Secret](list)) != 1 {
		t.Error("it is there although it is disabled")
	}
}

// variables are those of a container by their names.
func variables(container core.Container) map[string]string {
	found := map[string]string{}
	for _, v := range container.Env {
		found[v.Name] = v.Value
	}
	return found
}
