package test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	networking "k8s.io/api/networking/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// routed returns the paths of an Ingress, of its first host, and of an HTTPRoute.
func routed(t *testing.T, list objects) (ingress, route []string) {
	t.Helper()
	for _, path := range one[*networking.Ingress](t, list).Spec.Rules[0].HTTP.Paths {
		ingress = append(ingress, path.Path)
	}
	for _, rule := range one[*gateway.HTTPRoute](t, list).Spec.Rules {
		for _, match := range rule.Matches {
			route = append(route, *match.Path.Value)
		}
		if len(rule.Filters) != 0 {
			route = append(route, "rewritten")
		}
	}
	return ingress, route
}

// The rules are below the paths of publicURL, where the bridge serves, and no path of the host beside them is taken. Where a proxy before the
// Ingress removes the path they are at the root, and a callback path that is written with the path is not given it twice.
func TestRulesAreBelowThePublicURL(t *testing.T) {
	const exposed = valid + "ingress: { enabled: true, hosts: [example.com] }\nhttpRoute: { enabled: true, parentRefs: [{ name: public }] }\n"
	below := func(prefix string) []string {
		return []string{prefix + "/asyncapi.html", prefix + "/asyncapi.yaml", prefix + "/schemas/", prefix + "/zoho/"}
	}
	for values, want := range map[string][]string{
		"":                                          below(""),
		"publicURL: https://example.com":            below(""),
		"publicURL: https://example.com/":           below(""),
		"publicURL: https://example.com/crm":        below("/crm"),
		"publicURL: https://example.com/crm/":       below("/crm"),
		"publicURL: https://example.com/a/b":        below("/a/b"),
		"publicURL: https://example.com:8443/x%20y": below("/x%20y"),
		"publicURL: [https://example.com/crm, https://old.example.com/crm/, https://old.example.com]": slices.Concat(below("/crm"), below("")),
		"publicURL: https://example.com/crm\nsubPaths: [/]":                                           below(""),
		"publicURL: https://example.com/crm\nsubPaths: [/crm/, /hooks]":                               slices.Concat(below("/crm"), below("/hooks")),
		"publicURL: https://example.com/crm\ncallbackPaths: [/crm/zoho/]":                             below("/crm"),
		"publicURL: https://example.com/crm\ncallbackPaths: [/zoho/]":                                 below("/crm"),
	} {
		ingress, route := routed(t, render(t, exposed+values))
		for _, paths := range [][]string{ingress, route, want} {
			slices.Sort(paths)
		}
		if !slices.Equal(ingress, want) || !slices.Equal(route, want) {
			t.Errorf("%q: the Ingress has %q and the HTTPRoute %q, not %q", values, ingress, route, want)
		}
	}
}

// NOTES.txt shows the addresses that the CRMs call.
func TestNotesShowTheSubPath(t *testing.T) {
	rendered, err := manifests(parse(t, read(t, "testdata/values/sub-path.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"https://example.com/crm/zoho/…", "https://old.example.com/hooks/crm/hubspot/…"} {
		if !strings.Contains(rendered["NOTES.txt"], want) {
			t.Errorf("NOTES.txt does not show %s:\n%s", want, rendered["NOTES.txt"])
		}
	}
}

// The bridge of a rendered pod serves what the rules let in.
func TestRulesLeadToWhatIsServed(t *testing.T) {
	list := render(t, read(t, "testdata/values/embedded.yaml")+"publicURL: https://example.com/crm\ningress: { enabled: true, hosts: [example.com] }\nhttpRoute: { enabled: true, parentRefs: [{ name: public }] }\ncallbackPaths: [/zoho/]\n")
	spec := pods(t, list)["bridge"]
	command := exec.Command(program, spec.Containers[0].Args...)
	command.Env = own(environment(spec.Containers[0], mounted(t, list, spec), t.TempDir()), serving{})
	at, _ := begin(t, command)
	paths, _ := routed(t, list)
	for _, path := range paths {
		switch {
		case strings.HasSuffix(path, "/zoho/"):
			if status := post(t, at.Callbacks+path+"notifications"); status != 401 {
				t.Errorf("a forged callback to %snotifications is answered with %d", path, status)
			}
		case strings.HasSuffix(path, "/schemas/"):
			if status := get(t, at.Callbacks+path+"v1/zoho-notifications.json"); status != 200 {
				t.Errorf("a schema below %s is answered with %d", path, status)
			}
		default:
			if status := get(t, at.Callbacks+path); status != 200 {
				t.Errorf("%s is answered with %d", path, status)
			}
		}
	}
}
