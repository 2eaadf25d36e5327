package test

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

func write(t *testing.T, to io.Writer, values ...any) {
	t.Helper()
	for _, value := range values {
		if err := json.NewEncoder(to).Encode(value); err != nil {
			t.Fatal(err)
		}
	}
}

// selects reports whether labels fit a selector.
func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

// portName is the container's port that a port of a Service leads to.
func portName(port core.ServicePort) string { return port.TargetPort.String() }

// The admin port is in one Service, which is headless, so that nothing outside of the cluster reaches it; and every Service
// finds the bridge's pods, and not the pod of helm test.
func TestAdminPortStaysInside(t *testing.T) {
	for name, values := range cases(t) {
		list := render(t, values)
		labels := workloadOf(t, list).pod.Labels
		for _, service := range all[*core.Service](list) {
			headless, inside := service.Spec.ClusterIP == core.ClusterIPNone, service.Spec.Type == core.ServiceTypeClusterIP
			for _, port := range service.Spec.Ports {
				if portName(port) != "callbacks" && !inside || portName(port) == "admin" && !headless {
					t.Errorf("%s: the Service %s has the port %s", name, service.Name, portName(port))
				}
				if !declared(t, list, portName(port)) {
					t.Errorf("%s: the Service %s leads to port %s, which the container does not have", name, service.Name, portName(port))
				}
			}
			if !selects(service.Spec.Selector, labels) {
				t.Errorf("%s: the Service %s finds no pod of the bridge", name, service.Name)
			}
			for _, pod := range all[*core.Pod](list) {
				if selects(service.Spec.Selector, pod.Labels) {
					t.Errorf("%s: the Service %s finds the pod of helm test", name, service.Name)
				}
			}
		}
	}
}

func declared(t *testing.T, list objects, name string) bool {
	t.Helper()
	return slices.ContainsFunc(workloadOf(t, list).pod.Spec.Containers[0].Ports, func(p core.ContainerPort) bool { return p.Name == name })
}

// What leads in from outside leads to callbacks and to the documents that are public, and to nothing else.
func TestOnlyCallbacksAreReachable(t *testing.T) {
	public := []string{"/asyncapi.html", "/asyncapi.yaml", "/schemas/", "/zoho/"}
	ingress := one[*networking.Ingress](t, render(t, read(t, "testdata/values/ingress.yaml")))
	if len(ingress.Spec.Rules) != 2 {
		t.Errorf("there are %d hosts, not 2", len(ingress.Spec.Rules))
	}
	for _, rule := range ingress.Spec.Rules {
		var paths []string
		for _, path := range rule.HTTP.Paths {
			paths = append(paths, path.Path)
			if path.Backend.Service.Name != "crm-crm-bridge" || path.Backend.Service.Port.Name != "callbacks" {
				t.Errorf("%s leads to %+v", path.Path, path.Backend.Service)
			}
		}
		if !slices.Equal(paths, public) {
			t.Errorf("the Ingress has the paths %q", paths)
		}
	}
	if ingress.Spec.DefaultBackend != nil {
		t.Error("the Ingress has a default backend")
	}
	list := render(t, read(t, "testdata/values/gateway.yaml"))
	route := one[*gateway.HTTPRoute](t, list)
	var paths []string
	for _, match := range route.Spec.Rules[0].Matches {
		paths = append(paths, *match.Path.Value)
	}
	if !slices.Equal(paths, public) || len(route.Spec.Rules) != 1 {
		t.Errorf("the HTTPRoute has the paths %q", paths)
	}
	back := route.Spec.Rules[0].BackendRefs[0]
	for _, service := range all[*core.Service](list) {
		if service.Name == string(back.Name) && (service.Spec.Ports[0].Port != *back.Port || portName(service.Spec.Ports[0]) != "callbacks") {
			t.Errorf("the HTTPRoute leads to port %d of %s", *back.Port, back.Name)
		}
	}
}

// Consumers of the embedded NATS have a Service at 4222, and a rule that lets them in; nobody has either beside a NATS of
// your own.
func TestConsumersReachTheEmbeddedNATS(t *testing.T) {
	for name, values := range cases(t) {
		list := render(t, values)
		embedded := strings.Contains(name, "embedded") || name == "example-try-out"
		served := slices.ContainsFunc(all[*core.Service](list), func(s *core.Service) bool {
			return strings.HasSuffix(s.Name, "-nats") && s.Spec.Ports[0].Port == 4222 && portName(s.Spec.Ports[0]) == "nats" && s.Spec.Type == core.ServiceTypeClusterIP
		})
		admitted := slices.ContainsFunc(all[*networking.NetworkPolicy](list), func(p *networking.NetworkPolicy) bool {
			return slices.ContainsFunc(p.Spec.Ingress, func(r networking.NetworkPolicyIngressRule) bool {
				return len(r.Ports) == 1 && r.Ports[0].Port.IntValue() == 4222 && len(r.From) >= 2
			})
		})
		if served != embedded || admitted != embedded {
			t.Errorf("%s: embedded %v, Service %v, rule %v", name, embedded, served, admitted)
		}
	}
}

// A probe asks where the admin port listens, however its address is written.
func TestProbesFindTheAdminPort(t *testing.T) {
	for host, want := range map[string]struct{ listen, asked string }{
		"''": {":9090", ""}, "0.0.0.0": {"0.0.0.0:9090", ""}, "'::'": {"[::]:9090", ""}, "'[::]'": {"[::]:9090", ""},
		"'::1'": {"[::1]:9090", "::1"}, "'[::1]'": {"[::1]:9090", "::1"}, "10.0.0.7": {"10.0.0.7:9090", "10.0.0.7"},
	} {
		values := valid + "adminHost: " + host + "\n"
		if strings.Contains(host, "::1") {
			values += "hostNetwork: true\n"
		}
		box := workloadOf(t, render(t, values)).pod.Spec.Containers[0]
		if got := variable(box, "BRIDGE_ADMIN_LISTEN"); got != want.listen {
			t.Errorf("adminHost %s listens on %q, not %q", host, got, want.listen)
		}
		if probe := box.LivenessProbe; probe.HTTPGet != nil && probe.HTTPGet.Host != want.asked ||
			probe.Exec != nil && !slices.Contains(probe.Exec.Command, "http://"+want.listen+"/healthz") {
			t.Errorf("adminHost %s: the probe is %+v", host, probe.ProbeHandler)
		}
	}
}

// Prometheus finds the admin port, and is let in to it; and the pod of helm test is let in where it sends to, also if only
// an ingress controller may post callbacks.
func TestPrometheusAndHelmTestAreLetIn(t *testing.T) {
	list := render(t, read(t, "testdata/values/monitoring.yaml"))
	monitor := one[*monitoring.ServiceMonitor](t, list)
	found := 0
	for _, service := range all[*core.Service](list) {
		if selects(monitor.Spec.Selector.MatchLabels, service.Labels) {
			found++
			if service.Spec.Ports[0].Name != monitor.Spec.Endpoints[0].Port || portName(service.Spec.Ports[0]) != "admin" {
				t.Errorf("the ServiceMonitor asks port %s of %s", monitor.Spec.Endpoints[0].Port, service.Name)
			}
		}
	}
	if found != 1 || !slices.Equal(monitor.Spec.NamespaceSelector.MatchNames, []string{"sales"}) {
		t.Errorf("the ServiceMonitor finds %d Services", found)
	}
	list = render(t, read(t, "testdata/values/network-policy.yaml"))
	in := one[*networking.NetworkPolicy](t, list).Spec.Ingress
	if in[1].Ports[0].Port.IntValue() != 9090 || in[1].From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "monitoring" {
		t.Errorf("Prometheus is not let in: %+v", in[1])
	}
	tester := one[*core.Pod](t, list)
	if !slices.ContainsFunc(in[0].From, func(p networking.NetworkPolicyPeer) bool {
		return p.PodSelector != nil && selects(p.PodSelector.MatchLabels, tester.Labels)
	}) {
		t.Errorf("helm test is not let in: %+v", in[0].From)
	}
	if one[*networking.NetworkPolicy](t, list).Spec.PodSelector.MatchLabels["app.kubernetes.io/component"] != "bridge" {
		t.Error("the policy is not of the bridge's pods alone")
	}
}

// Pods scale by themselves only where they have no journal; then the Deployment leaves their number to the autoscaler.
func TestOnlyDirectScalesByItself(t *testing.T) {
	for name, values := range cases(t) {
		list := render(t, values)
		scalers := all[*autoscaling.HorizontalPodAutoscaler](list)
		if scaled := workloadOf(t, list).replicas == nil; scaled != (len(scalers) == 1) {
			t.Errorf("%s: the number of pods is of two minds", name)
		}
		for _, scaler := range scalers {
			if scaler.Spec.ScaleTargetRef.Kind != "Deployment" {
				t.Errorf("%s scales a %s", name, scaler.Spec.ScaleTargetRef.Kind)
			}
		}
		several := workloadOf(t, list).replicas == nil || *workloadOf(t, list).replicas > 1
		budgets := all[*policy.PodDisruptionBudget](list)
		if (len(budgets) == 1) != (several && name != "bare") {
			t.Errorf("%s: several %v, but %d budgets", name, several, len(budgets))
		}
		for _, budget := range budgets {
			if !maps.Equal(budget.Spec.Selector.MatchLabels, workloadOf(t, list).selector) || *budget.Spec.UnhealthyPodEvictionPolicy != policy.AlwaysAllow {
				t.Errorf("%s: the budget is of other pods, or keeps a node that is broken", name)
			}
		}
	}
}

// On the node's network the admin port listens on the node itself alone.
func TestHostNetworkHidesTheAdminPort(t *testing.T) {
	pod := workloadOf(t, render(t, read(t, "testdata/values/host-network.yaml"))).pod.Spec
	if got := variable(pod.Containers[0], "BRIDGE_ADMIN_LISTEN"); got != "127.0.0.1:9090" {
		t.Errorf("the admin port listens on %s", got)
	}
	if probe := pod.Containers[0].ReadinessProbe.HTTPGet; probe.Host != "127.0.0.1" {
		t.Errorf("the probe asks %q", probe.Host)
	}
	if pod.DNSPolicy != core.DNSClusterFirstWithHostNet {
		t.Errorf("the names of Services are not known: %s", pod.DNSPolicy)
	}
	probe := workloadOf(t, render(t, read(t, "testdata/values/exec-probes.yaml"))).pod.Spec.Containers[0].LivenessProbe
	if want := "http://127.0.0.1:9090/healthz"; probe.Exec == nil || !slices.Contains(probe.Exec.Command, want) {
		t.Errorf("the probe is %+v, not a check of %s", probe, want)
	}
}

func variable(container core.Container, name string) string {
	for _, v := range container.Env {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}
