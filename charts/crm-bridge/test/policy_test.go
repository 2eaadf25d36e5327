package test

import (
	"slices"
	"testing"

	networking "k8s.io/api/networking/v1"
)

// lets lists the ports of rules, in order.
func lets(rules []networking.NetworkPolicyEgressRule) (ports []string) {
	for _, rule := range rules {
		for _, port := range rule.Ports {
			ports = append(ports, port.Port.String())
		}
	}
	return ports
}

// Out of the pods go DNS, NATS where nats.url says it is, and the CRMs' APIs only if the bridge calls one.
func TestOnlyWhatIsNeededGoesOut(t *testing.T) {
	for name, want := range map[string][]string{
		"journal":           {"53", "53", "1"},
		"embedded":          {"53", "53"},
		"direct-autoscaled": {"53", "53", "80", "443", "14222"},
		"made-secrets":      {"53", "53", "4222", "443"},
		"network-policy":    {"53", "53", "5353", "5353", "14222", "443", "4318", "3128"},
	} {
		rules := one[*networking.NetworkPolicy](t, render(t, read(t, "testdata/values/"+name+".yaml")))
		if got := lets(rules.Spec.Egress); !slices.Equal(got, want) {
			t.Errorf("%s lets out to %q, not %q", name, got, want)
		}
		if !slices.Equal(rules.Spec.PolicyTypes, []networking.PolicyType{"Ingress", "Egress"}) {
			t.Errorf("%s: the policy is of %q", name, rules.Spec.PolicyTypes)
		}
	}
}

// The APIs of a CRM may be at a port of their own, and its client may come from variables of your own.
func TestAPIsOfYourOwnAreReached(t *testing.T) {
	for values, want := range map[string][]string{
		"settings: { BRIDGE_ZOHO_API_URL: 'https://crm.example.com:8443/crm', BRIDGE_ZOHO_ACCOUNTS_URL: 'http://accounts.example.com' }\nextraEnvFrom: [{ secretRef: { name: crm } }]": {"53", "53", "4222", "443", "80", "8443"},
		"settings: { BRIDGE_ZOHO_API_URL: 'https://crm.example.com:8443/crm' }":                                                                                                        {"53", "53", "4222"},
		"secrets: { BRIDGE_NEWCRM_API_TOKEN: { value: t } }\nstateKey: { value: k }":                                                                                                   {"53", "53", "4222", "443"},
		"extraEnv: [{ name: BRIDGE_BITRIX24_CLIENT_ID_FILE, value: /id }]":                                                                                                             {"53", "53", "4222", "443"},
	} {
		rules := one[*networking.NetworkPolicy](t, render(t, valid+values))
		if got := lets(rules.Spec.Egress); !slices.Equal(got, want) {
			t.Errorf("%s\nlets out to %q, not %q", values, got, want)
		}
	}
}

// A policy is applied to the ports of pods, which may be others than those of their Services in a URL.
func TestPortsOfPodsAreReached(t *testing.T) {
	for values, want := range map[string][]string{
		"networkPolicy: { natsPorts: [14222, 14223] }":                                                                         {"53", "53", "14222", "14223"},
		"tracing: { endpoint: 'http://collector:80' }\nnetworkPolicy: { tracesPorts: [4318] }":                                 {"53", "53", "4222", "4318"},
		"secrets: { BRIDGE_NEWCRM_API_TOKEN: { value: t } }\nstateKey: { value: k }\nnetworkPolicy: { crmPorts: [8443, 443] }": {"53", "53", "4222", "8443", "443"},
	} {
		rules := one[*networking.NetworkPolicy](t, render(t, valid+values))
		if got := lets(rules.Spec.Egress); !slices.Equal(got, want) {
			t.Errorf("%s\nlets out to %q, not %q", values, got, want)
		}
	}
}

// An ingress controller and an agent of Prometheus on the node's network are let in by the addresses of the nodes.
func TestNodesAreLetIn(t *testing.T) {
	in := one[*networking.NetworkPolicy](t, render(t, valid+"networkPolicy: { callbacksFrom: [{ ipBlock: { cidr: 10.0.0.0/16 } }], metricsFrom: [{ ipBlock: { cidr: 'fd00::/64' } }] }")).Spec.Ingress
	if in[0].From[0].IPBlock.CIDR != "10.0.0.0/16" || in[1].From[0].IPBlock.CIDR != "fd00::/64" {
		t.Errorf("let in are %+v", in)
	}
}

// The collector of traces is reached at the port of its URL, and nothing is let out without one.
func TestTheCollectorIsReached(t *testing.T) {
	for endpoint, want := range map[string][]string{
		"": {"53", "53", "4222"}, "https://collector.example.com/otlp": {"53", "53", "4222", "443"}, "http://collector": {"53", "53", "4222", "80"}, "http://[::1]:4318": {"53", "53", "4222", "4318"},
	} {
		rules := one[*networking.NetworkPolicy](t, render(t, valid+"tracing: { endpoint: '"+endpoint+"' }"))
		if got := lets(rules.Spec.Egress); !slices.Equal(got, want) {
			t.Errorf("%q lets out to %q, not %q", endpoint, got, want)
		}
	}
}
