package test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// workload is the StatefulSet or the Deployment.
type workload struct {
	replicas *int32
	selector map[string]string
	pod      core.PodTemplateSpec
	claims   []core.PersistentVolumeClaim
}

func workloadOf(t *testing.T, list objects) workload {
	t.Helper()
	sets, deployments := all[*apps.StatefulSet](list), all[*apps.Deployment](list)
	switch {
	case len(sets) == 1 && len(deployments) == 0:
		s := sets[0].Spec
		return workload{s.Replicas, s.Selector.MatchLabels, s.Template, s.VolumeClaimTemplates}
	case len(sets) == 0 && len(deployments) == 1:
		s := deployments[0].Spec
		return workload{s.Replicas, s.Selector.MatchLabels, s.Template, nil}
	}
	t.Fatalf("there are %d StatefulSets and %d Deployments", len(sets), len(deployments))
	return workload{}
}

// pods are those of the bridge, of the check before an upgrade, and of helm test.
func pods(t *testing.T, list objects) map[string]core.PodSpec {
	t.Helper()
	found := map[string]core.PodSpec{"bridge": workloadOf(t, list).pod.Spec}
	for _, job := range all[*batch.Job](list) {
		found["check"] = job.Spec.Template.Spec
	}
	for _, pod := range all[*core.Pod](list) {
		found["test"] = pod.Spec
	}
	return found
}

// Every pod passes Pod Security "restricted", but for what OpenShift sets itself and for hostNetwork; it has no token of
// Kubernetes, and none of the variables that Kubernetes injects for Services.
func TestPodsAreRestricted(t *testing.T) {
	for name, values := range cases(t) {
		for which, spec := range pods(t, render(t, values)) {
			pod, box := spec.SecurityContext, spec.Containers[0].SecurityContext
			for say, ok := range map[string]bool{
				"runs as non-root":            *pod.RunAsNonRoot && (name == "bare" || *pod.RunAsUser == 65532 && *pod.FSGroup == 65532),
				"seccomp RuntimeDefault":      pod.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault,
				"no privilege escalation":     !*box.AllowPrivilegeEscalation && box.Privileged == nil,
				"no capabilities":             slices.Equal(box.Capabilities.Drop, []core.Capability{"ALL"}) && len(box.Capabilities.Add) == 0,
				"a root that cannot change":   *box.ReadOnlyRootFilesystem,
				"no token":                    !*spec.AutomountServiceAccountToken,
				"no links to Services":        !*spec.EnableServiceLinks,
				"one container, no shell":     name == "usual" || len(spec.Containers) == 1 && len(spec.InitContainers) == 0 && spec.Containers[0].Command == nil,
				"network of its own":          spec.HostNetwork == (name == "host-network" && which != "check"),
				"no folder of the node":       !slices.ContainsFunc(spec.Volumes, func(v core.Volume) bool { return v.HostPath != nil }),
				"a ServiceAccount by name":    spec.ServiceAccountName != "",
				"no process of other pods":    !spec.HostPID && !spec.HostIPC,
				"no hook that needs a shell":  strings.HasPrefix(name, "usual") || spec.Containers[0].Lifecycle == nil,
				"memory has a limit":          name == "bare" || !spec.Containers[0].Resources.Limits.Memory().IsZero(),
				"an image with a version":     strings.ContainsAny(spec.Containers[0].Image, ":@") && !strings.HasSuffix(spec.Containers[0].Image, ":latest"),
				"whole folders, not subPaths": !slices.ContainsFunc(spec.Containers[0].VolumeMounts, func(m core.VolumeMount) bool { return m.SubPath != "" }),
			} {
				if !ok {
					t.Errorf("%s, pod %s: not so: %s", name, which, say)
				}
			}
		}
	}
	for _, account := range all[*core.ServiceAccount](render(t, read(t, "testdata/values/journal.yaml"))) {
		if *account.AutomountServiceAccountToken {
			t.Error("the ServiceAccount gives its token to pods")
		}
	}
}

// A changed secret in the values restarts the pods. What shows the change is no plain digest of the Secret, by which anyone who may
// see pods could check guesses quickly; without a Secret of the chart's own there is nothing to show.
func TestChangedSecretsStartPodsAnew(t *testing.T) {
	digest := func(values string) (digest, plain string) {
		list := render(t, values)
		for _, made := range all[*core.Secret](list) {
			data, err := yaml.Marshal(made.Data)
			if err != nil {
				t.Fatal(err)
			}
			plain = fmt.Sprintf("%x", sha256.Sum256(bytes.TrimSpace(data)))
		}
		return workloadOf(t, list).pod.Annotations["checksum/secret"], plain
	}
	before := read(t, "testdata/values/made-secrets.yaml")
	one, plain := digest(before)
	other, _ := digest(strings.ReplaceAll(before, "a-secret-of-webhooks", "another-secret"))
	if one == "" || one == other || one == plain {
		t.Errorf("%q; with another secret %q; the plain digest is %q", one, other, plain)
	}
	if none, _ := digest(read(t, "testdata/values/existing-secrets.yaml")); none != "" {
		t.Errorf("without a Secret of the chart's own: %q", none)
	}
}

// A journal keeps what was answered with 200 until NATS has it: its claims stay, whoever deletes or scales.
func TestClaimsAreRetained(t *testing.T) {
	for _, name := range []string{"journal", "journal-alone", "embedded"} {
		set := one[*apps.StatefulSet](t, render(t, read(t, "testdata/values/"+name+".yaml")))
		keep := set.Spec.PersistentVolumeClaimRetentionPolicy
		if keep.WhenDeleted != apps.RetainPersistentVolumeClaimRetentionPolicyType || keep.WhenScaled != apps.RetainPersistentVolumeClaimRetentionPolicyType {
			t.Errorf("%s: claims are not retained: %+v", name, keep)
		}
		if len(set.Spec.VolumeClaimTemplates) != 1 || set.Spec.VolumeClaimTemplates[0].Name != "data" {
			t.Errorf("%s has no claim", name)
		}
		if mounts := set.Spec.Template.Spec.Containers[0].VolumeMounts; mounts[0].Name != "data" || mounts[0].MountPath != "/data" {
			t.Errorf("%s: the claim is not where the program writes: %+v", name, mounts)
		}
	}
}

// Beside a NATS of your own there are two replicas; with the embedded one there is one, and no budget that would keep its
// node from being drained.
func TestReplicas(t *testing.T) {
	for name, want := range map[string]int32{"journal": 2, "embedded": 1, "journal-alone": 1} {
		if got := workloadOf(t, render(t, read(t, "testdata/values/"+name+".yaml"))).replicas; *got != want {
			t.Errorf("%s has %d replicas, not %d", name, *got, want)
		}
	}
	none := render(t, read(t, "testdata/values/journal.yaml")+"replicas: 0\n")
	if got := workloadOf(t, none).replicas; *got != 0 {
		t.Errorf("0 replicas became %d", *got)
	}
}

// Kubernetes waits for the drain before it kills: the delay, the answers, the journal, the store. One embedded replica has no delay,
// because nothing else answers meanwhile.
func TestGraceCoversTheDrain(t *testing.T) {
	text := sources(t)
	if !strings.Contains(text, "drainTimeout = 20 * time.Second") {
		t.Fatal("the program's drainTimeout is not 20 s: change crm-bridge.leastGrace too")
	}
	for name, values := range cases(t) {
		set := parse(t, values)
		pod := workloadOf(t, render(t, values)).pod.Spec
		alone := !slices.ContainsFunc(pod.Containers[0].Env, func(v core.EnvVar) bool { return v.Name == "BRIDGE_NATS_URL" })
		usual := map[bool]int64{true: 0, false: 10}[alone]
		delay, answer := number(set, "drainDelaySeconds", usual), number(set, "answerTimeoutSeconds", 5)
		if !slices.Contains(pod.Containers[0].Env, core.EnvVar{Name: "BRIDGE_DRAIN_DELAY", Value: fmt.Sprintf("%ds", delay)}) {
			t.Errorf("%s: the drain delay is not %d s", name, delay)
		}
		if got := *pod.TerminationGracePeriodSeconds; got < delay+answer+20+5 {
			t.Errorf("%s: %d s of grace do not cover %d s of delay, %d s of answers and 20 s of drain", name, got, delay, answer)
		}
		if delay < 1 && !alone {
			t.Errorf("%s: the listener closes before its endpoints are gone", name)
		}
	}
}

func number(values map[string]any, name string, otherwise int64) int64 {
	if value, ok := values[name].(float64); ok {
		return int64(value)
	}
	return otherwise
}

// A start after a power cut reads the whole store, which may take two minutes: no probe ends it before.
func TestStartMayTakeLong(t *testing.T) {
	if !strings.Contains(sources(t), "startTimeout = 2 * time.Minute") {
		t.Fatal("the program's startTimeout is not 2 minutes: look at probes.startup")
	}
	for name, values := range cases(t) {
		probe := workloadOf(t, render(t, values)).pod.Spec.Containers[0].StartupProbe
		if probe.PeriodSeconds*probe.FailureThreshold < 4*60 {
			t.Errorf("%s: the startup probe gives up after %d s", name, probe.PeriodSeconds*probe.FailureThreshold)
		}
	}
}

// A new version of the chart or of the program changes nothing that Kubernetes does not let change: selectors, the name of
// the Service of a StatefulSet, templates of claims.
func TestUpgradesAreAllowed(t *testing.T) {
	older, err := loadChart()
	if err != nil {
		t.Fatal(err)
	}
	newer, metadata := *older, *older.Metadata
	metadata.Version, metadata.AppVersion = "9.9.9", "9.9.9"
	newer.Metadata = &metadata
	for name, values := range cases(t) {
		rendered, err := manifestsOf(&newer, parse(t, values))
		if err != nil {
			t.Fatal(err)
		}
		after, err := decode(rendered)
		if err != nil {
			t.Fatal(err)
		}
		before := render(t, values)
		one, two := fixed(t, before), fixed(t, after)
		if one != two {
			t.Errorf("%s: an upgrade would be forbidden:\n%s\n%s", name, one, two)
		}
	}
}

// fixed is what Kubernetes does not let change.
func fixed(t *testing.T, list objects) string {
	t.Helper()
	var text strings.Builder
	for _, set := range all[*apps.StatefulSet](list) {
		write(t, &text, set.Spec.Selector, set.Spec.ServiceName, set.Spec.PodManagementPolicy, set.Spec.VolumeClaimTemplates)
	}
	for _, deployment := range all[*apps.Deployment](list) {
		write(t, &text, deployment.Spec.Selector)
	}
	return text.String()
}
