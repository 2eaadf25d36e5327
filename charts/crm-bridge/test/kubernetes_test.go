package test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// kubernetesTypes are what values take as Kubernetes has it. The schema has a definition of each, and of each that is inside of one.
var kubernetesTypes = []any{
	core.Affinity{},
	core.EnvFromSource{},
	core.EnvVarSource{},
	core.LocalObjectReference{},
	core.PodSecurityContext{},
	core.ResourceRequirements{},
	core.SecurityContext{},
	core.Toleration{},
	core.TopologySpreadConstraint{},
	core.Volume{},
	core.VolumeMount{},
	autoscaling.HorizontalPodAutoscalerBehavior{},
	networking.NetworkPolicyEgressRule{},
	networking.NetworkPolicyIngressRule{},
	networking.NetworkPolicyPeer{},
}

// What values take as Kubernetes has it is refused by the schema where Kubernetes has no such field, or one of another type. The
// definitions are made of Kubernetes' own Go types: -update writes them.
func TestSchemaHasKubernetesTypes(t *testing.T) {
	known := map[string]string{}
	for _, one := range kubernetesTypes {
		define(t, reflect.TypeOf(one), known)
	}
	var lines []string
	for _, name := range sortedKeys(known) {
		lines = append(lines, fmt.Sprintf("    %q: %s", name, known[name]))
	}
	path := folder + "/values.schema.json"
	schema := read(t, path)
	hand := slices.DeleteFunc(strings.Split(schema, "\n"), func(line string) bool { return strings.HasPrefix(line, `    "k8s.`) })
	last := slices.Index(hand, `  "definitions": {`) + 1
	if last == 0 {
		t.Fatal("the schema has no definitions")
	}
	got := strings.Join(slices.Concat(hand[:last], []string{strings.Join(lines, ",\n") + ","}, hand[last:]), "\n")
	compare(t, path, got)
	for _, reference := range regexp.MustCompile(`#/definitions/(k8s\.\w+)`).FindAllStringSubmatch(schema, -1) {
		if known[reference[1]] == "" {
			t.Errorf("the schema refers to %s: add it to kubernetesTypes", reference[1])
		}
	}
}

// define adds the schema of a struct to known, and of those in it.
func define(t *testing.T, kind reflect.Type, known map[string]string) {
	t.Helper()
	name := "k8s." + kind.Name()
	if _, ok := known[name]; ok {
		return
	}
	known[name] = "" // a struct may hold itself
	fields := map[string]any{}
	addFields(t, kind, fields, known)
	text, err := json.Marshal(map[string]any{
		"type": []string{"object", "null"}, "properties": fields,
		"additionalProperties": map[string]string{"const": fmt.Sprintf("absent: %s of Kubernetes has no such field", kind.Name())},
	})
	if err != nil {
		t.Fatal(err)
	}
	known[name] = string(text)
}

// addFields adds the fields of a struct as JSON has them: those of an embedded struct without a name stand beside the others.
func addFields(t *testing.T, kind reflect.Type, fields map[string]any, known map[string]string) {
	t.Helper()
	for i := range kind.NumField() {
		field := kind.Field(i)
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			fields[name] = schemaOf(t, field.Type, known)
		} else {
			addFields(t, field.Type, fields, known)
		}
	}
}

// schemaOf is the schema of a field. Each may be null: so a values file removes what the chart sets.
func schemaOf(t *testing.T, kind reflect.Type, known map[string]string) map[string]any {
	t.Helper()
	switch kind {
	case reflect.TypeFor[resource.Quantity]():
		quantity := map[string]any{"pattern": `^[0-9]+(\.[0-9]+)?([eE][+]?[0-9]+|m|k|[KMGTP]i|[MGTP])?$`}
		return map[string]any{"type": []string{"string", "number", "null"}, "if": map[string]any{"type": "string"}, "then": map[string]any{
			"if": quantity, "else": map[string]string{"const": "a quantity of Kubernetes such as 512Mi or 100m"},
		}}
	case reflect.TypeFor[intstr.IntOrString]():
		return map[string]any{"type": []string{"integer", "string", "null"}}
	case reflect.TypeFor[meta.ObjectMeta]():
		return map[string]any{"type": []string{"object", "null"}}
	}
	switch kind.Kind() {
	case reflect.Pointer:
		return schemaOf(t, kind.Elem(), known)
	case reflect.Struct:
		define(t, kind, known)
		return map[string]any{"$ref": "#/definitions/k8s." + kind.Name()}
	case reflect.Slice:
		return map[string]any{"type": []string{"array", "null"}, "items": schemaOf(t, kind.Elem(), known)}
	case reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": schemaOf(t, kind.Elem(), known)}
	case reflect.Bool:
		return map[string]any{"type": []string{"boolean", "null"}}
	case reflect.Int32, reflect.Int64:
		return map[string]any{"type": []string{"integer", "null"}}
	case reflect.String:
		return map[string]any{"type": []string{"string", "null"}}
	}
	t.Fatalf("no schema for %s", kind)
	return nil
}
