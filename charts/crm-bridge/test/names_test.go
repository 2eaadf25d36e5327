package test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// A text that YAML would take for a number or a boolean arrives as the text that it is, whichever value it is given for: a name of a Secret
// may be all digits.
func TestTextsStayTexts(t *testing.T) {
	everything := parse(t, read(t, "testdata/values/everything.yaml")+`
ingress: { enabled: true, hosts: [crm.example.com], tls: [{ secretName: x, hosts: [crm.example.com] }] }
httpRoute: { enabled: true, parentRefs: [{ name: public }] }
serviceMonitor: { enabled: true }
prometheusRule: { enabled: true }
dashboard: { enabled: true }
publicURL: https://crm.example.com
service: { type: LoadBalancer }
`)
	alone := loader.MergeMaps(parse(t, read(t, "testdata/values/embedded-tls.yaml")), at("service.type", "LoadBalancer"))
	alone = loader.MergeMaps(alone, at("tracing.endpoint", "http://collector:4318"))
	texts := freeTexts(t)
	if len(texts) < 40 {
		t.Fatalf("the schema has only the free texts %q", texts)
	}
	for _, text := range []string{"123", "true"} {
		for name, base := range map[string]map[string]any{"a NATS of one's own": everything, "the embedded NATS": alone} {
			values := base
			for _, path := range texts {
				idle := strings.HasPrefix(path, "nats.") && strings.HasPrefix(path, "nats.embedded.") != (name == "the embedded NATS")
				letter := path == "fullnameOverride" && text == "123" // which the name of a Service begins with
				if idle || letter || path == "persistence.existingClaim" {
					continue
				}
				given := text
				if strings.HasSuffix(path, ".value") {
					given = "" // it is in a Secret
				}
				values = loader.MergeMaps(values, at(path, given))
			}
			rendered, err := manifests(values)
			if err != nil {
				t.Fatalf("%s, %q: %v", name, text, err)
			}
			if _, err := decode(rendered); err != nil {
				t.Errorf("%s, %q: %v", name, text, err)
			}
		}
	}
}

// freeTexts are the values that the schema lets be any text, with a dot between their names; of a map of texts it is an entry, and of a secret
// its Secret's name and key.
func freeTexts(t *testing.T) (paths []string) {
	t.Helper()
	var schema map[string]any
	if err := json.Unmarshal([]byte(read(t, folder+"/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, schema map[string]any)
	walk = func(path string, schema map[string]any) {
		properties, _ := schema["properties"].(map[string]any)
		for _, name := range sortedKeys(properties) {
			inner := strings.TrimPrefix(path+"."+name, ".")
			property, _ := properties[name].(map[string]any)
			switch {
			case property["$ref"] == "#/definitions/textMap":
				paths = append(paths, inner+".of-"+strings.ReplaceAll(inner, ".", "-"))
			case property["$ref"] == "#/definitions/secret":
				paths = append(paths, inner+".existingSecret", inner+".key", inner+".value")
			case property["type"] == "string" && property["enum"] == nil && property["if"] == nil && name != "existingConfigMap": // beside a Secret
				paths = append(paths, inner)
			}
			walk(inner, property)
		}
	}
	walk("", schema)
	return paths
}

// at is the values with one at a path.
func at(path, text string) map[string]any {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return map[string]any{name: text}
	}
	return map[string]any{name: at(rest, text)}
}

// A registry and pull Secrets that a chart of charts gives to all are used: the registry takes the place of the image's own.
func TestGlobalRegistry(t *testing.T) {
	for values, want := range map[string]string{
		"": "ghcr.io/crm-bridge/crm-bridge:",
		"global: { imageRegistry: registry.example.com }":                                            "registry.example.com/crm-bridge/crm-bridge:",
		"global: { imageRegistry: 'registry.example.com:5000/mirror' }":                              "registry.example.com:5000/mirror/crm-bridge/crm-bridge:",
		"global: { imageRegistry: registry.example.com }\nimage: { repository: crm/bridge, tag: v }": "registry.example.com/crm/bridge:v",
		"global: { imageRegistry: null }":                                                            "ghcr.io/crm-bridge/crm-bridge:",
	} {
		for which, spec := range pods(t, render(t, valid+values)) {
			if got := spec.Containers[0].Image; !strings.HasPrefix(got, want) {
				t.Errorf("%s\npod %s: the image is %s, not %s", values, which, got, want)
			}
		}
	}
	list := render(t, valid+"imagePullSecrets: [{ name: own }]\nglobal: { imagePullSecrets: [registry, { name: '123' }, { name: own }] }")
	for which, spec := range pods(t, list) {
		if want := []core.LocalObjectReference{{Name: "own"}, {Name: "registry"}, {Name: "123"}}; !slices.Equal(spec.ImagePullSecrets, want) {
			text, _ := json.Marshal(spec.ImagePullSecrets)
			t.Errorf("pod %s pulls with %s", which, text)
		}
	}
}
