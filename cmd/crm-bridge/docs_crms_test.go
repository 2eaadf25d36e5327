package main

import (
	"os"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// Each page that lists CRMs has all of them, with what it says of each.
func TestDocsNameEveryCRM(t *testing.T) {
	for page, wanted := range map[string]func(*ingest.CRM) []string{
		"README.md":                    func(crm *ingest.CRM) []string { return []string{crm.Words.Name, "(docs/" + crm.Provider + ".md)"} },
		"charts/crm-bridge/Chart.yaml": func(crm *ingest.CRM) []string { return []string{crm.Words.Name, " " + crm.Provider + ","} },
		"docs/guarantees.md":           func(crm *ingest.CRM) []string { return []string{crm.Words.Name} },
		"docs/metrics.md":              labels,
		"docs/events.md":               func(crm *ingest.CRM) []string { return append(labels(crm), "`"+crm.Provider+"`") },
		"docs/security.md":             routes,
		"docs/operations.md":           secrets,
	} {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, crm := range bridge.Known() {
			for _, word := range wanted(crm) {
				if !strings.Contains(string(text), word) {
					t.Errorf("%s does not have %q", page, word)
				}
			}
		}
	}
}

// labels are those of the sources of a CRM, in code.
func labels(crm *ingest.CRM) (labels []string) {
	for _, source := range crm.Sources {
		labels = append(labels, source.Label())
	}
	return labels
}

// routes are the paths of a CRM's callbacks, without their parameters.
func routes(crm *ingest.CRM) (paths []string) {
	for _, source := range crm.Sources {
		for _, route := range source.Routes() {
			path, _, _ := strings.Cut(route.Path, "{")
			paths = append(paths, "| `"+strings.TrimSuffix(path, "/"))
		}
	}
	return paths
}

// secrets are the variables that authenticate a CRM's callbacks.
func secrets(crm *ingest.CRM) []string { return bridge.CRMs{crm}.Proofs() }
