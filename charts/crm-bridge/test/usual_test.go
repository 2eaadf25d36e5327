package test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// usual are the objects of a case in which what charts usually let people set is set.
func usual(t *testing.T, name string) objects {
	t.Helper()
	return render(t, read(t, "testdata/values/"+name+".yaml"))
}

// byName returns the metadata of each object, by kind and name.
func byName(list objects) map[string]meta.Object {
	found := map[string]meta.Object{}
	for _, object := range list {
		found[object.GetObjectKind().GroupVersionKind().Kind+" "+object.(meta.Object).GetName()] = object.(meta.Object)
	}
	return found
}

// Every object is in the namespace of namespaceOverride, but for those of the monitoring, which may be where Prometheus and Grafana look; and
// what names a namespace names that one.
func TestEveryObjectIsInItsNamespace(t *testing.T) {
	list := usual(t, "usual")
	for name, object := range byName(list) {
		want := "crm-bridges"
		switch {
		case strings.HasPrefix(name, "ServiceMonitor") || strings.HasPrefix(name, "PrometheusRule"):
			want = "monitoring"
		case strings.HasSuffix(name, "-dashboard"):
			want = "grafana"
		case name == "Secret crm-crm-bridge-text": // an object of your own that names none
			want = ""
		}
		if object.GetNamespace() != want {
			t.Errorf("%s is in namespace %q, not %q", name, object.GetNamespace(), want)
		}
	}
	if found := one[*monitoring.ServiceMonitor](t, list).Spec.NamespaceSelector.MatchNames; !slices.Equal(found, []string{"crm-bridges"}) {
		t.Errorf("the ServiceMonitor looks in %q", found)
	}
	for _, rule := range one[*monitoring.PrometheusRule](t, list).Spec.Groups[0].Rules {
		if expression := rule.Expr.String(); strings.Contains(expression, "namespace=") && !strings.Contains(expression, `namespace="crm-bridges"`) {
			t.Errorf("%s asks for another namespace: %s", rule.Alert, expression)
		}
	}
	consumers := render(t, embedded+"namespaceOverride: crm-bridges\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: '*:a-token-of-channels' } }\n")
	if got, want := variable(one[*core.Pod](t, consumers).Spec.Containers[0], "BRIDGE_NATS_URL"), "nats://crm-crm-bridge-nats.crm-bridges.svc:4222"; got != want {
		t.Errorf("helm test asks %s, not %s", got, want)
	}
	notes, err := manifests(parse(t, embedded+"namespaceOverride: crm-bridges"))
	if err != nil || strings.Contains(notes["NOTES.txt"], "sales") || !strings.Contains(notes["NOTES.txt"], "kubectl -n crm-bridges") {
		t.Errorf("NOTES.txt names another namespace: %v\n%s", err, notes["NOTES.txt"])
	}
}

// Each object has the common labels and annotations and its own, which win; pods have no common annotations, so that a change restarts none.
// No selector and no claim has any of them, for Kubernetes does not let those change.
func TestLabelsAndAnnotations(t *testing.T) {
	list := usual(t, "usual")
	all := byName(list)
	for name, want := range map[string]string{
		"StatefulSet crm-crm-bridge": "workload", "Service crm-crm-bridge": "service", "Ingress crm-crm-bridge": "ingress", "HTTPRoute crm-crm-bridge": "route",
	} {
		if labels, annotations := all[name].GetLabels(), all[name].GetAnnotations(); labels["tier"] != want || annotations["example.com/tier"] != want || annotations["example.com/owner"] != "sales" || labels["team"] != "sales" {
			t.Errorf("%s has the labels %v and the annotations %v", name, labels, annotations)
		}
	}
	if headless := all["Service crm-crm-bridge-headless"]; headless.GetLabels()["tier"] != "headless" || headless.GetAnnotations()["prometheus.io/port"] != "9090" {
		t.Errorf("the headless Service: %+v", headless)
	}
	nats := byName(render(t, embedded+"nats: { embedded: { enabled: true, password: { value: p }, service: { labels: { tier: nats } } } }"))["Service crm-crm-bridge-nats"]
	if nats.GetLabels()["tier"] != "nats" {
		t.Errorf("the Service of consumers: %+v", nats)
	}
	for name, object := range all {
		if strings.HasSuffix(name, "-more") || strings.HasSuffix(name, "-text") {
			continue // objects of your own
		}
		if object.GetLabels()["team"] != "sales" || object.GetAnnotations()["example.com/owner"] != "sales" {
			t.Errorf("%s has not what is common: %v, %v", name, object.GetLabels(), object.GetAnnotations())
		}
	}
	set := one[*apps.StatefulSet](t, list).Spec
	if len(set.Template.Annotations) != 0 || set.Template.Labels["team"] != "sales" || set.Template.Labels["tier"] != "common" {
		t.Errorf("pods have %v, %v", set.Template.Labels, set.Template.Annotations)
	}
	before := one[*apps.StatefulSet](t, render(t, read(t, "testdata/values/journal.yaml"))).Spec
	if difference := cmp.Diff(before.Selector, set.Selector) + cmp.Diff(before.VolumeClaimTemplates, set.VolumeClaimTemplates); difference != "" {
		t.Errorf("an upgrade would be forbidden: %s", difference)
	}
}

// Objects of your own are templates, as a map or as a text.
func TestObjectsOfYourOwn(t *testing.T) {
	list := usual(t, "usual")
	for _, config := range all[*core.ConfigMap](list) {
		if config.Name == "crm-crm-bridge-more" && config.Data["service"] != "crm-crm-bridge.crm-bridges.svc" {
			t.Errorf("the map became %+v", config)
		}
	}
	text := one[*core.Secret](t, list)
	if text.StringData["release"] != "crm" || text.Labels["app.kubernetes.io/instance"] != "crm" || text.Labels["team"] != "sales" {
		t.Errorf("the text became %+v", text)
	}
}

// Containers of your own are beside the bridge's, which stays the first, so that kubectl exec finds it; pods are run and scheduled as said.
func TestPodsAsYouWantThem(t *testing.T) {
	spec := workloadOf(t, usual(t, "usual")).pod.Spec
	if len(spec.Containers) != 2 || spec.Containers[0].Name != "crm-bridge" || spec.Containers[1].Name != "shipper" || len(spec.InitContainers) != 1 || *spec.InitContainers[0].RestartPolicy != core.ContainerRestartPolicyAlways {
		t.Errorf("the containers are %+v after %+v", spec.Containers, spec.InitContainers)
	}
	for which, pod := range pods(t, usual(t, "usual")) {
		if *pod.RuntimeClassName != "gvisor" || pod.SchedulerName != "bin-packing" || pod.DNSPolicy != core.DNSNone || pod.DNSConfig.Nameservers[0] != "10.96.0.10" || *pod.DNSConfig.Options[0].Value != "2" || pod.HostAliases[0].IP != "10.0.0.5" {
			t.Errorf("the pod %s is %+v", which, pod)
		}
	}
	if hosted := workloadOf(t, render(t, valid+"hostNetwork: true\ndnsPolicy: Default\nprobes: { type: exec }")).pod.Spec; hosted.DNSPolicy != core.DNSDefault {
		t.Errorf("on the node's network the DNS policy is %s", hosted.DNSPolicy)
	}
	for _, account := range all[*core.ServiceAccount](render(t, valid+"serviceAccount: { automount: true }")) {
		if !*account.AutomountServiceAccountToken {
			t.Error("the ServiceAccount keeps its token")
		}
	}
}

// A sleep before the end is part of the grace, so that the drain keeps the time that it needs; any other hook asks for a grace of its own.
func TestHooksTakeNothingFromTheDrain(t *testing.T) {
	pod := workloadOf(t, usual(t, "usual")).pod.Spec
	if grace := *pod.TerminationGracePeriodSeconds; grace != 4+10+5+30 || pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds != 4 {
		t.Errorf("the grace is %d s with a sleep of 4 s", grace)
	}
}

// How pods are replaced: a partial strategy keeps the chart's rest, and zeros count.
func TestRollout(t *testing.T) {
	set := one[*apps.StatefulSet](t, usual(t, "usual")).Spec
	if set.UpdateStrategy.Type != apps.RollingUpdateStatefulSetStrategyType || *set.UpdateStrategy.RollingUpdate.Partition != 0 || *set.RevisionHistoryLimit != 0 || set.MinReadySeconds != 7 {
		t.Errorf("the StatefulSet rolls out by %+v", set)
	}
	if by := one[*apps.StatefulSet](t, render(t, valid+"updateStrategy: { type: OnDelete }")).Spec.UpdateStrategy; by.Type != apps.OnDeleteStatefulSetStrategyType || by.RollingUpdate != nil {
		t.Errorf("on delete: %+v", by)
	}
	deployment := one[*apps.Deployment](t, usual(t, "usual-direct")).Spec
	if by := deployment.Strategy.RollingUpdate; by.MaxSurge.StrVal != "50%" || *by.MaxUnavailable != intstr.FromInt32(0) || *deployment.RevisionHistoryLimit != 3 || deployment.MinReadySeconds != 7 {
		t.Errorf("the Deployment rolls out by %+v", deployment)
	}
	hosted := one[*apps.Deployment](t, render(t, valid+"delivery: direct\nhostNetwork: true\nupdateStrategy: { rollingUpdate: { maxUnavailable: 2 } }")).Spec.Strategy.RollingUpdate
	if *hosted.MaxSurge != intstr.FromInt32(0) || *hosted.MaxUnavailable != intstr.FromInt32(2) {
		t.Errorf("on the node's network: %+v", hosted)
	}
}

// Pods may scale by metrics of your own, without or beside their CPU; and a budget may say how many stay.
func TestMetricsAndBudgets(t *testing.T) {
	list := usual(t, "usual-direct")
	if metrics := one[*autoscaling.HorizontalPodAutoscaler](t, list).Spec.Metrics; len(metrics) != 1 || metrics[0].Pods.Metric.Name != "crm_bridge_callbacks_per_second" {
		t.Errorf("the pods scale by %+v", metrics)
	}
	both := one[*autoscaling.HorizontalPodAutoscaler](t, render(t, valid+"delivery: direct\nautoscaling: { enabled: true, metrics: [{ type: Resource, resource: { name: memory, target: { type: Utilization, averageUtilization: 80 } } }] }"))
	if metrics := both.Spec.Metrics; len(metrics) != 2 || metrics[0].Resource.Name != "cpu" || metrics[1].Resource.Name != "memory" {
		t.Errorf("the pods scale by %+v", metrics)
	}
	for values, want := range map[string]policy.PodDisruptionBudgetSpec{
		"": {MaxUnavailable: new(intstr.FromInt32(1))},
		"podDisruptionBudget: { minAvailable: 1 }":     {MinAvailable: new(intstr.FromInt32(1))},
		"podDisruptionBudget: { minAvailable: 50% }":   {MinAvailable: new(intstr.FromString("50%"))},
		"podDisruptionBudget: { maxUnavailable: 50% }": {MaxUnavailable: new(intstr.FromString("50%"))},
	} {
		got := one[*policy.PodDisruptionBudget](t, render(t, valid+values)).Spec
		if difference := cmp.Diff(want.MaxUnavailable, got.MaxUnavailable) + cmp.Diff(want.MinAvailable, got.MinAvailable); difference != "" {
			t.Errorf("%s: %s", values, difference)
		}
	}
}

// The Service has the addresses and the load balancer that are asked for.
func TestAddressesOfTheService(t *testing.T) {
	for _, service := range all[*core.Service](usual(t, "usual")) {
		if service.Name == "crm-crm-bridge" && (*service.Spec.LoadBalancerClass != "example.com/internal" || !slices.Equal(service.Spec.IPFamilies, []core.IPFamily{core.IPv6Protocol, core.IPv4Protocol})) {
			t.Errorf("the Service is %+v", service.Spec)
		}
	}
	if monitor := one[*monitoring.ServiceMonitor](t, usual(t, "usual")); !monitor.Spec.Endpoints[0].HonorLabels || monitor.Labels["tier"] != "monitor" {
		t.Errorf("the ServiceMonitor is %+v", monitor)
	}
}

// A claim of your own is mounted where the program writes, none is made beside it, and the alert on its room is for it.
func TestAClaimOfYourOwn(t *testing.T) {
	list := usual(t, "existing-claim")
	set := workloadOf(t, list)
	if len(set.claims) != 0 || *set.replicas != 1 {
		t.Errorf("%d claims are made for %d replicas", len(set.claims), *set.replicas)
	}
	claimed := slices.ContainsFunc(set.pod.Spec.Volumes, func(v core.Volume) bool {
		return v.Name == "data" && v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == "journal-of-the-bridge"
	})
	if mounts := set.pod.Spec.Containers[0].VolumeMounts; !claimed || mounts[0].Name != "data" || mounts[0].MountPath != "/data" {
		t.Errorf("the claim is not where the program writes: %+v", set.pod.Spec.Volumes)
	}
	for _, rule := range rules(t, "existing-claim") {
		if rule.Alert == "CrmBridgeDiskFilling" && !strings.Contains(rule.Expr.String(), `persistentvolumeclaim=~"journal-of-the-bridge"`) {
			t.Errorf("the alert is for another claim: %s", rule.Expr.String())
		}
	}
	if !maps.Equal(set.selector, workloadOf(t, render(t, read(t, "testdata/values/journal.yaml"))).selector) {
		t.Error("its pods are selected otherwise")
	}
}
