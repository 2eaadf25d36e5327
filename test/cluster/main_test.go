package main

import (
	"reflect"
	"strings"
	"testing"
)

// No cluster is used that the command line does not name.
func TestContextIsNamed(t *testing.T) {
	if _, err := parse([]string{"-image", "crm-bridge:1"}); err == nil || !strings.Contains(err.Error(), "-context") {
		t.Errorf("without -context: %v; want an error that names it", err)
	}
	if _, err := parse([]string{"-context", "kind-kind", "-image", "crm-bridge:1", "-scenario", "journal, directly"}); err == nil || !strings.Contains(err.Error(), `"directly"`) {
		t.Errorf("unknown way: %v; want an error that names it", err)
	}
}

// The values of a way are those of the chart: nested, with the image split at its tag, whatever port its registry has.
func TestValues(t *testing.T) {
	got := imageValues("registry.local:5000/crm-bridge:1.2").tree()
	want := map[string]any{"image": map[string]any{"repository": "registry.local:5000/crm-bridge", "tag": "1.2"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
	if untagged := imageValues("registry.local:5000/crm-bridge"); untagged["image.tag"] != "" || untagged["image.repository"] != "registry.local:5000/crm-bridge" {
		t.Errorf("without a tag: %v", untagged)
	}
}
