package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
)

// What the chart renders for each case is what Kubernetes' own types take, to the last field.
func TestEachCaseIsKnownToKubernetes(t *testing.T) {
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			if list := render(t, values); len(list) < 3 {
				t.Errorf("only %d objects were rendered", len(list))
			}
		})
	}
}

// A change of what is rendered is seen by who makes it: -update writes it, and the difference is read.
func TestEachCaseIsAsItWas(t *testing.T) {
	for name, values := range cases(t) {
		t.Run(name, func(t *testing.T) {
			rendered, err := manifests(parse(t, values))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, filepath.Join("testdata/golden", name+".yaml"), joined(t, rendered))
		})
	}
	for _, path := range golden(t) {
		if _, ok := cases(t)[strings.TrimSuffix(filepath.Base(path), ".yaml")]; !ok {
			t.Errorf("%s belongs to no case", path)
		}
	}
}

// joined is everything that was rendered, but the dashboard, which stands in a file of its own as it is.
func joined(t *testing.T, rendered map[string]string) string {
	t.Helper()
	var text strings.Builder
	for _, path := range sortedKeys(rendered) {
		body := strings.TrimSpace(rendered[path])
		if path == "dashboard.yaml" && body != "" {
			head, _, _ := strings.Cut(body, "crm-bridge.json: |-")
			body = head + "crm-bridge.json: files/dashboard.json"
		}
		if body != "" {
			text.WriteString("---\n# " + path + "\n" + body + "\n")
		}
	}
	return text.String()
}

func golden(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/golden/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// compare compares got with a file, or writes it there.
func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if difference := cmp.Diff(read(t, path), got); difference != "" {
		t.Errorf("%s is not what is made now (make chart-test CHARTFLAGS=-update writes it):\n%s", path, difference)
	}
}

// The linter of Helm has nothing to say of the chart, with its defaults or with the values of any case: --strict.
func TestHelmLints(t *testing.T) {
	all := cases(t)
	all["defaults"] = ""
	for name, values := range all {
		t.Run(name, func(t *testing.T) {
			linter := lint.RunAll(folder, parse(t, values), "sales")
			for _, message := range linter.Messages {
				if message.Severity > support.InfoSev {
					t.Error(message)
				}
			}
		})
	}
}

// Rendering twice gives the same: nothing is random, and what compares a chart with a cluster finds no difference.
func TestTwiceIsTheSame(t *testing.T) {
	for _, name := range []string{"everything", "made-secrets", "monitoring"} {
		values := read(t, "testdata/values/"+name+".yaml")
		first, err := manifests(parse(t, values))
		if err != nil {
			t.Fatal(err)
		}
		second, err := manifests(parse(t, values))
		if err != nil {
			t.Fatal(err)
		}
		if difference := cmp.Diff(first, second); difference != "" {
			t.Errorf("%s: %s", name, difference)
		}
	}
}

// An example that needs kinds beside those of Kubernetes says which, so that an install does not fail without a word.
func TestExamplesNameTheirCRDs(t *testing.T) {
	for name, values := range cases(t) {
		if !strings.HasPrefix(name, "example-") {
			continue
		}
		for _, object := range render(t, values) {
			group := object.GetObjectKind().GroupVersionKind().Group
			own := !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io") && group != "gateway.networking.k8s.io"
			if head, _, _ := strings.Cut(values, "\n\n"); !own && !strings.Contains(head, group) {
				t.Errorf("%s has a %s, and does not say that it needs the CRDs of %s", name, object.GetObjectKind().GroupVersionKind().Kind, group)
			}
		}
	}
}
