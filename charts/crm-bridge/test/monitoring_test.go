package test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	core "k8s.io/api/core/v1"
)

// others are metrics that do not come from the bridge's own code: of Prometheus, of client_golang, of the kubelet, of
// kube-state-metrics.
var others = regexp.MustCompile(`^(up|process_(resident_memory_bytes|cpu_seconds_total)|go_goroutines|kubelet_volume_stats_(available|capacity)_bytes|kube_pod_status_ready)$`)

var named = regexp.MustCompile(`(?:Namespace: "crm_bridge", Name: "|\bcounter\("|\bgauge\("|NewDesc\("crm_bridge_)([a-z_]+)"`)

// metrics are the names of the program's metrics.
func metrics(t *testing.T) (names []string) {
	t.Helper()
	for _, match := range named.FindAllStringSubmatch(sources(t), -1) {
		names = append(names, "crm_bridge_"+match[1])
	}
	if len(names) < 12 {
		t.Fatalf("only the metrics %q were found in the code", names)
	}
	return names
}

// checkQuery reads a query as Prometheus does, and looks for each of its metrics in the program.
func checkQuery(t *testing.T, where, query string, known []string) (used []string) {
	t.Helper()
	query = strings.NewReplacer("$__rate_interval", "5m", "$namespace", "sales", "$job", "crm").Replace(query)
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %s: %v", where, query, err)
		return nil
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		used = append(used, selector.Name)
		plain := selector.Name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if trimmed, cut := strings.CutSuffix(plain, suffix); cut && slices.Contains(known, trimmed) {
				plain = trimmed
			}
		}
		if !slices.Contains(known, plain) && !others.MatchString(plain) {
			t.Errorf("%s asks for %s, which the program does not have", where, selector.Name)
		}
		if !slices.ContainsFunc(selector.LabelMatchers, func(m *labels.Matcher) bool { return m.Name == "namespace" && m.Value == "sales" }) {
			t.Errorf("%s asks for %s of every namespace", where, selector.Name)
		}
		return nil
	})
	return used
}

func rules(t *testing.T, name string) []monitoring.Rule {
	t.Helper()
	rule := one[*monitoring.PrometheusRule](t, render(t, read(t, "testdata/values/"+name+".yaml")))
	return rule.Spec.Groups[0].Rules
}

// Each alert asks for metrics that there are, says in a sentence what is wrong, and names its runbook.
func TestAlertsCanFire(t *testing.T) {
	known, used := metrics(t), []string(nil)
	for _, name := range []string{"monitoring", "monitoring-embedded"} {
		for _, rule := range rules(t, name) {
			if rule.Alert == "NoCallbacks" { // an extra rule
				continue
			}
			used = append(used, checkQuery(t, rule.Alert, rule.Expr.String(), known)...)
			if want := "https://github.com/crm-bridge/crm-bridge/blob/main/docs/operations.md#alert-" + strings.ToLower(rule.Alert); rule.Annotations["runbook_url"] != want {
				t.Errorf("the runbook of %s is %q, not %q", rule.Alert, rule.Annotations["runbook_url"], want)
			}
			if !strings.HasSuffix(rule.Annotations["summary"], ".") && !strings.HasSuffix(rule.Annotations["summary"], "?") || rule.Labels["severity"] == "" {
				t.Errorf("%s has no summary or no severity: %+v", rule.Alert, rule)
			}
		}
	}
	for _, metric := range []string{"channel_expiry_timestamp_seconds", "journal_pending", "journal_oldest_seconds", "quarantined_total", "refused_total", "callbacks_total", "gaps_oldest_seconds", "gaps_closed_total", "last_callback_timestamp_seconds"} {
		if !slices.Contains(used, "crm_bridge_"+metric) {
			t.Errorf("no alert looks at %s", metric)
		}
	}
}

// Alerts of a journal are there only with a journal, and that of a silent source only with a threshold; those that are disabled are not there, and further ones are.
func TestAlertsFitTheMode(t *testing.T) {
	names := func(name string) (found []string) {
		for _, rule := range rules(t, name) {
			found = append(found, rule.Alert)
		}
		return found
	}
	if journal, embedded := names("monitoring"), names("monitoring-embedded"); !slices.Contains(journal, "CrmBridgeJournalOld") || slices.Contains(embedded, "CrmBridgeJournalOld") ||
		slices.Contains(journal, "CrmBridgeCallbacksForged") || !slices.Contains(embedded, "CrmBridgeCallbacksForged") || !slices.Contains(journal, "CrmBridgeSourceSilent") || slices.Contains(embedded, "CrmBridgeSourceSilent") || !slices.Contains(journal, "NoCallbacks") {
		t.Errorf("with a journal: %q\nembedded: %q", journal, embedded)
	}
}

// board is what a test reads of a dashboard.
type board struct {
	Title, UID string
	Panels     []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
}

// The dashboard is in the ConfigMap as it is in the file; each panel asks for what there is, every metric of the program is
// on it, and no panel lies on another.
func TestDashboardShowsEveryMetric(t *testing.T) {
	config := one[*core.ConfigMap](t, render(t, read(t, "testdata/values/monitoring.yaml")))
	text := config.Data["crm-bridge.json"]
	if strings.TrimSpace(text) != strings.TrimSpace(read(t, folder+"/files/dashboard.json")) || config.Labels["grafana_dashboard"] != "1" {
		t.Error("the ConfigMap does not hold the dashboard, or Grafana does not find it")
	}
	var shown board
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		t.Fatal(err)
	}
	known, used, cells, ids := metrics(t), []string(nil), map[[2]int]string{}, map[int]bool{}
	for _, panel := range shown.Panels {
		if ids[panel.ID] || panel.Title == "" || panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %d %q is there twice, or has nothing to show", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("panel %q lies on %q or beyond the edge", panel.Title, other)
				}
				cells[[2]int{x, y}] = panel.Title
			}
		}
		for _, target := range panel.Targets {
			used = append(used, checkQuery(t, panel.Title, target.Expr, known)...)
		}
	}
	for _, metric := range known {
		if !slices.ContainsFunc(used, func(name string) bool { return strings.HasPrefix(name, metric) }) {
			t.Errorf("the dashboard does not show %s", metric)
		}
	}
}
