package status_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The screen says first whether the bridge is well and what needs a person, then how each part is; no line is too long to read, and what others
// have named cannot change the terminal.
func TestScreen(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	broken := well()
	broken.Channels[0].State, broken.Channels[0].Problem = "lapsed", "Zoho answers 400: invalid_code\x1b[2J"
	broken.Quarantine.Messages, broken.Quarantine.Bytes, broken.Quarantine.Oldest = 2, 4096, before(3*time.Hour)
	p50, p99 := 0.0012, 0.034
	broken.Rates = []status.Rate{{At: now, Accepted: 12.5, Rejected: 0.25, P50: &p50, P99: &p99}}
	broken.Sources[0].Rejections = []status.Rejection{{At: now.Add(-time.Minute), Outcome: "forged", Status: 401, Why: "not authenticated"}}
	broken.Streams[0].Foreign, broken.Streams[0].Differences = true, []string{"stream CRM was not made by crm-bridge and is not changed: max_msgs is 10, not unlimited"}
	broken.Problems = status.Judge(broken)
	for name, r := range map[string]status.Report{"well": well(), "broken": broken} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := status.Show(&out, r); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out.String()) {
				if utf8.RuneCountInString(line) > 101 || strings.Contains(line, "\x1b") {
					t.Errorf("a line that does not fit: %q", line)
				}
			}
			file := "testdata/" + name + ".txt"
			if *update {
				if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if difference := cmp.Diff(string(want), out.String()); difference != "" {
				t.Error(difference)
			}
		})
	}
}
