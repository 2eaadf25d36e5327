package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/tracing"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/publish/records"
	"github.com/crm-bridge/crm-bridge/test/ports"
)

// family is a metric as its page describes it.
type family struct{ kind, labels, help string }

// families are the metrics that a package registers, by name. It implements prometheus.Registerer.
type families map[string]family

var described = regexp.MustCompile(`fqName: "(\w+)", help: "(.*?)", .*variableLabels: \{(.*?)\}`)

func (f families) Register(c prometheus.Collector) error {
	kind := "counter"
	switch c.(type) {
	case *prometheus.GaugeVec, prometheus.Gauge, *records.Metrics, *keep.KeeperMetrics, *consumers.Metrics:
		kind = "gauge"
	case *prometheus.HistogramVec, prometheus.Histogram:
		kind = "histogram"
	}
	descs := make(chan *prometheus.Desc, 9)
	c.Describe(descs)
	close(descs)
	for desc := range descs {
		parts := described.FindStringSubmatch(desc.String())
		f[parts[1]] = family{kind: kind, labels: parts[3], help: parts[2]}
	}
	return nil
}

func (f families) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		_ = f.Register(c)
	}
}

func (f families) Unregister(prometheus.Collector) bool { return false }

// scrape adds the metrics of a running bridge with a journal, which have a value from the start.
func (f families) scrape(t *testing.T) {
	t.Helper()
	clean(t)
	admin, err := ports.Address()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"BRIDGE_LISTEN": "127.0.0.1:0", "BRIDGE_ADMIN_LISTEN": admin, "BRIDGE_NATS_URL": "nats://127.0.0.1:1",
		"BRIDGE_ZOHO_WEBHOOK_SECRET": "a-long-enough-secret", "BRIDGE_JOURNAL_MAX_BYTES": "1MiB",
	} {
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var errs bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"serve"}, io.Discard, &errs) }()
	defer func() {
		cancel()
		if code := <-ended; code != 0 || t.Failed() {
			t.Errorf("the bridge ended with %d: %s", code, errs.String())
		}
	}()
	text := ""
	for until := time.Now().Add(20 * time.Second); text == "" && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		text = page(t, "http://"+admin+"/metrics")
	}
	for _, match := range regexp.MustCompile(`(?m)^# HELP (crm_bridge_\w+) (.*)\n# TYPE \w+ (\w+)$`).FindAllStringSubmatch(text, -1) {
		if _, known := f[match[1]]; !known {
			f[match[1]] = family{kind: match[3], help: match[2]}
		}
	}
	if _, ok := f["crm_bridge_journal_pending"]; !ok {
		t.Fatalf("a bridge with a journal has no gauge of it: %s", text)
	}
}

// page is what is answered at a URL; empty where nothing answers.
func page(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

var namedInCode = regexp.MustCompile(`(?:Namespace: "crm_bridge", Name: "|NewDesc\("crm_bridge_)([a-z_]+)"`)

// docs/metrics.md has every metric, with its type, its labels and its help.
func TestDocsMetrics(t *testing.T) {
	f := families{}
	receive.NewMetrics(f)
	publish.NewMetrics(f)
	keep.NewKeeperMetrics(f)
	records.NewMetrics(f)
	tracing.NewMetrics(f)
	consumers.NewMetrics(f, nil)
	f.scrape(t)
	err := filepath.WalkDir("../..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		for _, match := range namedInCode.FindAllStringSubmatch(string(code), -1) {
			if _, ok := f["crm_bridge_"+match[1]]; !ok {
				t.Errorf("%s has the metric %s: call here what registers it", path, match[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(f)) {
		labels := ""
		if f[name].labels != "" {
			labels = "`" + strings.ReplaceAll(f[name].labels, ",", "`, `") + "`"
		}
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s |\n", name, f[name].kind, labels, cell(f[name].help))
	}
	comparePage(t, "metrics.md", text.String())
}
