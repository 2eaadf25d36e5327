package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The versions in docs/guarantees.md are those that the program is built with, and the chart is tested with.
func TestVersions(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	for file, pattern := range map[string]string{
		"go.mod":                        `(?m)^(?:go|\s+github.com/nats-io/(?:nats-server/v2|nats.go)) v?(\S+)$`,
		"charts/crm-bridge/test/go.mod": `(?m)^\s+helm.sh/helm/v4 v(\S+)$`,
		"charts/crm-bridge/Chart.yaml":  `(?m)^kubeVersion: ">=(\d+\.\d+)`,
	} {
		text, err := os.ReadFile(root + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s has no version", file)
		}
		for _, match := range found {
			if !strings.Contains(string(page), match[1]) {
				t.Errorf("docs/guarantees.md does not name %s of %s", match[1], file)
			}
		}
	}
}
