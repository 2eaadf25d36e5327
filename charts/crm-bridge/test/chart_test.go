// Package test renders the chart as Helm does, and looks at what Kubernetes would get.
package test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

const folder = ".." // of the chart

var update = flag.Bool("update", false, "rewrite the golden manifests and the table in the README")

// loadChart reads the chart once: no test changes it.
var loadChart = sync.OnceValues(func() (*chart.Chart, error) { return loader.Load(folder) })

// manifests renders the chart as release "crm" in namespace "sales": by template, NOTES.txt among them.
func manifests(values map[string]any) (map[string]string, error) {
	c, err := loadChart()
	if err != nil {
		return nil, err
	}
	return manifestsOf(c, values)
}

func manifestsOf(c *chart.Chart, values map[string]any) (map[string]string, error) {
	options := common.ReleaseOptions{Name: "crm", Namespace: "sales", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, options, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	texts, err := engine.Render(c, all)
	short := map[string]string{}
	for path, text := range texts {
		short[strings.TrimPrefix(path, c.Name()+"/templates/")] = text
	}
	return short, err
}

// decoder knows Kubernetes' own kinds and those of the Gateway API, of the Prometheus operator and of cert-manager. It is strict: a
// field that a kind does not have, or one that is there twice, is an error.
var decoder = sync.OnceValue(func() runtime.Decoder {
	kinds := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, gateway.Install, monitoring.AddToScheme, certmanager.AddToScheme} {
		if err := add(kinds); err != nil {
			panic(err)
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, kinds, kinds, json.SerializerOptions{Yaml: true, Strict: true})
})

// objects are what Kubernetes would get.
type objects []runtime.Object

// rendered are the objects by values: most tests look at all cases.
var rendered sync.Map

// render returns the objects of the chart with these values, which are YAML. They are shared: do not change them.
func render(t *testing.T, values string) objects {
	t.Helper()
	if before, ok := rendered.Load(values); ok {
		return before.(objects)
	}
	rendered.Store(values, rendering(t, values))
	return render(t, values)
}

func rendering(t *testing.T, values string) objects {
	t.Helper()
	made, err := manifests(parse(t, values))
	if err != nil {
		t.Fatal(err)
	}
	list, err := decode(made)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// decode reads manifests strictly.
func decode(manifests map[string]string) (list objects, err error) {
	for _, path := range sortedKeys(manifests) {
		if !strings.HasSuffix(path, ".yaml") {
			continue
		}
		for text := range strings.SplitSeq("\n"+manifests[path], "\n---\n") {
			if strings.TrimSpace(text) == "" {
				continue
			}
			object, _, err := decoder().Decode([]byte(text), nil, nil)
			if err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", path, err, text)
			}
			list = append(list, object)
		}
	}
	return list, nil
}

func parse(t *testing.T, values string) map[string]any {
	t.Helper()
	parsed := map[string]any{}
	if err := yaml.Unmarshal([]byte(values), &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

// all returns the objects of one kind.
func all[T runtime.Object](list objects) (found []T) {
	for _, object := range list {
		if one, ok := object.(T); ok {
			found = append(found, one)
		}
	}
	return found
}

// one returns the only object of a kind.
func one[T runtime.Object](t *testing.T, list objects) T {
	t.Helper()
	found := all[T](list)
	if len(found) != 1 {
		t.Fatalf("there are %d objects of this kind, not 1: %T", len(found), found)
	}
	return found[0]
}

// cases are the matrix: each file of values in testdata, and the examples that people copy.
func cases(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for prefix, pattern := range map[string]string{"": "testdata/values/*.yaml", "example-": folder + "/examples/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if name := strings.TrimSuffix(filepath.Base(path), ".yaml"); !strings.Contains(name, ".") { // x.nats.yaml is NATS's
				found[prefix+name] = read(t, path)
			}
		}
	}
	if len(found) < 20 {
		t.Fatalf("only %d cases were found", len(found))
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// sources returns the text of the program's Go files.
func sources(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, room := range []string{"cmd", "ingest", "publish"} {
		err := filepath.WalkDir(filepath.Join("../../..", room), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				text.WriteString(read(t, path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}
