package test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// What Chart.yaml says to Artifact Hub is so: the image is the one that the chart runs, pages and icon are in the repository, and a
// version that is not a release is called so. Chart and program have one version.
func TestMetadata(t *testing.T) {
	c, err := loadChart()
	if err != nil {
		t.Fatal(err)
	}
	said := c.Metadata
	if said.Version != said.AppVersion {
		t.Errorf("the chart has version %s, and the program %s", said.Version, said.AppVersion)
	}
	if got, want := said.Annotations["artifacthub.io/prerelease"], strconv.FormatBool(strings.Contains(said.Version, "-")); got != want {
		t.Errorf("artifacthub.io/prerelease is %q for version %s", got, said.Version)
	}
	var images []struct{ Image string }
	annotation(t, said.Annotations, "artifacthub.io/images", &images)
	runs := one[*apps.StatefulSet](t, render(t, read(t, folder+"/examples/nats-r3.yaml"))).Spec.Template.Spec.Containers[0].Image
	if len(images) != 1 || images[0].Image != runs {
		t.Errorf("artifacthub.io/images is %v, and the chart runs %s", images, runs)
	}
	var links []struct{ Name, URL string }
	annotation(t, said.Annotations, "artifacthub.io/links", &links)
	if len(links) == 0 {
		t.Error("artifacthub.io/links is empty")
	}
	for _, link := range links {
		inRepository(t, link.URL)
	}
	inRepository(t, said.Icon)
}

func annotation(t *testing.T, annotations map[string]string, name string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(annotations[name]), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// inRepository fails for a page of the repository that there is not.
func inRepository(t *testing.T, url string) {
	t.Helper()
	for _, on := range []string{
		"https://raw.githubusercontent.com/crm-bridge/crm-bridge/main/",
		"https://github.com/crm-bridge/crm-bridge/blob/main/",
		"https://github.com/crm-bridge/crm-bridge/tree/main/",
	} {
		if path, ok := strings.CutPrefix(url, on); ok {
			if _, err := os.Stat("../../../" + path); err != nil {
				t.Errorf("Chart.yaml names %s: %v", url, err)
			}
			return
		}
	}
	if !strings.HasPrefix(url, "https://github.com/crm-bridge/crm-bridge/") {
		t.Errorf("Chart.yaml names %q, which is not a page of the repository", url)
	}
}
