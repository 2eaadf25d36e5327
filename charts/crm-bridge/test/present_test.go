package test

import (
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/engine"
)

// cluster is what templates look up.
type cluster struct{ dynamic.Interface }

// GetClientFor returns a client for a kind of Kubernetes' own.
func (c cluster) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	version, err := schema.ParseGroupVersion(apiVersion)
	return c.Resource(version.WithResource(strings.ToLower(kind) + "s")), true, err
}

// upgrade renders an upgrade of a release to these values, over what the cluster has.
func upgrade(t *testing.T, release, values string, present ...runtime.Object) (map[string]string, error) {
	t.Helper()
	c, err := loadChart()
	if err != nil {
		t.Fatal(err)
	}
	options := common.ReleaseOptions{Name: release, Namespace: "sales", Revision: 2, IsUpgrade: true}
	all, err := util.ToRenderValues(c, parse(t, values), options, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	return engine.RenderWithClientProvider(c, all, cluster{fake.NewSimpleDynamicClient(scheme.Scheme, present...)})
}

// deployed is the workload of a release with these values, as the cluster has it.
func deployed(t *testing.T, values string, replicas int32) runtime.Object {
	t.Helper()
	list := render(t, values)
	for _, set := range all[*apps.StatefulSet](list) {
		set = set.DeepCopy()
		set.Namespace, set.Spec.Replicas = "sales", &replicas
		return set
	}
	deployment := one[*apps.Deployment](t, list).DeepCopy()
	deployment.Namespace, deployment.Spec.Replicas = "sales", &replicas
	return deployment
}

const direct = valid + "delivery: direct\n"

// An upgrade that would leave events behind, which were answered with 200 and which nothing forwards or reads any more, is refused with
// the way to bring them along, until acceptStrandedJournals says that it was done.
func TestUpgradesStrandNothing(t *testing.T) {
	for name, c := range map[string]struct {
		from     string
		replicas int32
		to, want string
	}{
		"a journal to direct":            {valid, 2, direct, "The journals of the 2 pods of crm-crm-bridge may hold events that were answered with 200, and with delivery direct nothing forwards them"},
		"a journal to the embedded NATS": {valid, 2, embedded, "with the embedded NATS nothing forwards them any more"},
		"fewer journals":                 {valid, 3, valid + "replicas: 2\n", "replicas goes from 3 to 2, and nothing forwards the journals of the pods that go"},
		"no journals":                    {valid, 2, valid + "replicas: 0\n", "replicas goes from 2 to 0"},
		"the embedded NATS to a journal": {embedded, 1, valid, "The stream is in the embedded NATS of crm-crm-bridge, and with nats.url nothing reaches it any more. Copy it first with crm-bridge copy"},
		"the embedded NATS to direct":    {embedded, 1, direct, "The stream is in the embedded NATS"},
		"the same":                       {valid, 2, valid, ""},
		"more journals":                  {valid, 2, valid + "replicas: 4\n", ""},
		"direct to a journal":            {direct, 2, valid, ""},
		"fewer that deliver directly":    {direct, 4, direct + "replicas: 2\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			present := deployed(t, c.from, c.replicas)
			_, err := upgrade(t, "crm", c.to, present)
			if refused := err != nil; refused != (c.want != "") || refused && !strings.Contains(err.Error(), c.want) {
				t.Errorf("not refused with %q: %v", c.want, err)
			}
			if _, err := upgrade(t, "crm", c.to+"acceptStrandedJournals: true\n", present); err != nil {
				t.Errorf("refused although accepted: %v", err)
			}
		})
	}
}

// An autoscaled Deployment keeps the pods that it has, also in the upgrade that enables the autoscaler; it never has fewer than the
// autoscaler's least. A first install leaves them to Kubernetes and the autoscaler.
func TestAutoscalingKeepsThePods(t *testing.T) {
	scaled := direct + "autoscaling: { enabled: true, minReplicas: 3 }\n"
	for name, c := range map[string]struct {
		present []runtime.Object
		want    int32
	}{
		"four pods":                    {[]runtime.Object{deployed(t, direct, 4)}, 4},
		"fewer than the least":         {[]runtime.Object{deployed(t, direct, 1)}, 3},
		"a StatefulSet until now, say": {nil, 3},
	} {
		rendered, err := upgrade(t, "crm", scaled, c.present...)
		if err != nil {
			t.Fatal(err)
		}
		list, err := decode(rendered)
		if err != nil {
			t.Fatal(err)
		}
		if got := one[*apps.Deployment](t, list).Spec.Replicas; got == nil || *got != c.want {
			t.Errorf("%s: the upgrade makes it %v, not %d", name, got, c.want)
		}
	}
	if got := one[*apps.Deployment](t, render(t, scaled)).Spec.Replicas; got != nil {
		t.Errorf("a first install sets %d replicas", *got)
	}
}

const longRelease = "sales-callbacks-of-all-regions-and-teams"

// Two releases whose names begin alike have no object of the same name, however long they are; a name that fits is as it was.
func TestNamesDiffer(t *testing.T) {
	names := map[string]string{}
	for _, release := range []string{longRelease, longRelease + "-eu", longRelease + "-us", longRelease[:38] + "-crm-bridge"} {
		rendered, err := upgrade(t, release, valid)
		if err != nil {
			t.Fatal(err)
		}
		list, err := decode(rendered)
		if err != nil {
			t.Fatal(err)
		}
		name := one[*apps.StatefulSet](t, list).Name
		if other, taken := names[name]; taken || len(name) > 40 {
			t.Errorf("%s and %s are both called %s", release, other, name)
		}
		names[name] = release
	}
	if got := one[*apps.StatefulSet](t, render(t, valid+"fullnameOverride: "+longRelease)).Name; got != longRelease {
		t.Errorf("a name of 40 characters became %s", got)
	}
}

// A release whose name was cut off by an earlier version of the chart keeps its name: the upgrade says how, where it would leave its
// claims behind under another one.
func TestUpgradesKeepACutName(t *testing.T) {
	old := deployed(t, valid+"fullnameOverride: "+longRelease, 2).(*apps.StatefulSet)
	old.Labels["app.kubernetes.io/instance"] = longRelease + "-eu"
	_, err := upgrade(t, longRelease+"-eu", valid, old)
	if err == nil || !strings.Contains(err.Error(), "Set fullnameOverride to "+longRelease) {
		t.Errorf("not refused: %v", err)
	}
	if _, err := upgrade(t, longRelease+"-us", valid, old); err != nil {
		t.Errorf("the name of another release is in the way: %v", err)
	}
	if _, err := upgrade(t, longRelease+"-eu", valid+"fullnameOverride: "+longRelease, old); err != nil {
		t.Errorf("refused with its old name: %v", err)
	}
}
