package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// checkChart looks at a packaged chart: it has the licence and none of the tests, no link of its README leads outside of it but to a
// page, each such page is in the repository, and it says what changed.
func checkChart(t *testing.T, folder, version string) {
	t.Helper()
	unpacked := t.TempDir()
	for _, name := range unpack(t, read(t, folder, "crm-bridge-"+version+".tgz"), unpacked) {
		if strings.Contains(name, "/test/") {
			t.Errorf("the package of the chart holds %s", name)
		}
	}
	unpacked = filepath.Join(unpacked, "crm-bridge")
	if !strings.Contains(string(read(t, unpacked, "LICENSE")), "Apache License") {
		t.Error("the package of the chart has no licence")
	}
	links := regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(string(read(t, unpacked, "README.md")), -1)
	if len(links) < 5 {
		t.Errorf("the README of the chart has only %d links", len(links))
	}
	for _, link := range links {
		path, ours := strings.CutPrefix(link[1], repository+"/blob/main/")
		path, _, _ = strings.Cut(path, "#")
		switch _, err := os.Stat(path); {
		case !strings.HasPrefix(link[1], "https://") && !strings.HasPrefix(link[1], "#"):
			t.Errorf("the packaged README links to %s", link[1])
		case ours && err != nil:
			t.Errorf("the packaged README links to %s: %v", link[1], err)
		}
	}
	var chart struct{ Annotations map[string]string }
	if err := yaml.Unmarshal(read(t, unpacked, "Chart.yaml"), &chart); err != nil {
		t.Fatal(err)
	}
	var changes []change
	if err := yaml.Unmarshal([]byte(chart.Annotations["artifacthub.io/changes"]), &changes); err != nil || len(changes) == 0 {
		t.Errorf("the chart names %d changes: %v", len(changes), err)
	}
	if chart.Annotations["artifacthub.io/license"] != "Apache-2.0" {
		t.Errorf("the annotations of Chart.yaml are gone: %q", chart.Annotations)
	}
}

const changelog = `# Changelog

## [Unreleased]

### Added

- A [page](docs/page.md) of
  two lines ([more](docs/more.md)). And what to do.

### Security

- Fixed ` + "`x`" + `: see v1.2.

### Upgrading

- Stop it.

## [1.0.0] - 2026-01-01

### Fixed

- A leak

[Unreleased]: https://example.org
`

// The changes of a version are the first sentences of its entries, without links; before a release they are the unreleased ones.
func TestChangesOf(t *testing.T) {
	want := []change{{"added", "A page of two lines"}, {"security", "Fixed `x`: see v1.2"}}
	if diff := cmp.Diff(want, changesOf(changelog, "1.1.0-dev")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]change{{"fixed", "A leak"}}, changesOf(changelog, "1.0.0")); diff != "" {
		t.Error(diff)
	}
}

// A tag is released only if the chart, its image and the changelog have its version.
func TestCheck(t *testing.T) {
	for _, c := range []struct{ tag, version, appVersion, want string }{
		{"v1.0.0", "1.0.0", "1.0.0", ""},
		{"1.0.0", "1.0.0", "1.0.0", "is not vX.Y.Z"},
		{"v1.0.0-dev", "1.0.0-dev", "1.0.0-dev", "is not vX.Y.Z"},
		{"v1.0.0", "1.0.0-dev", "1.0.0", "version 1.0.0-dev"},
		{"v1.0.0", "1.0.0", "1.0.0-dev", "appVersion 1.0.0-dev"},
		{"v1.1.0", "1.1.0", "1.1.0", "no section [1.1.0]"},
	} {
		err := check(c.tag, changelog, metadata{version: c.version, appVersion: c.appVersion})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// The README of a release links to its tag.
func TestAbsolute(t *testing.T) {
	readme := []byte("[a](../../docs/nats.md#permissions) [b](examples/direct.yaml) [c](#values) [d](https://helm.sh)")
	want := "[a](" + repository + "/blob/v1.0.0/docs/nats.md#permissions) [b](" + repository + "/blob/v1.0.0/charts/crm-bridge/examples/direct.yaml) [c](#values) [d](https://helm.sh)"
	if got := string(metadata{version: "1.0.0"}.absolute(readme)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
