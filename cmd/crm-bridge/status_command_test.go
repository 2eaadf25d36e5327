package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// answersAs has a bridge's admin address answer one request, and returns what status then prints, and its exit code.
func answersAs(t *testing.T, answer http.HandlerFunc, args ...string) (out, said string, code int) {
	t.Helper()
	clean(t)
	admin := httptest.NewServer(answer)
	defer admin.Close()
	t.Setenv("BRIDGE_ADMIN_LISTEN", strings.TrimPrefix(admin.URL, "http://"))
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"status"}, args...), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// status --open prints the link to the console, and nothing else, for scripts too; with --json in a document. It is requested, not read,
// because each link signs in once.
func TestLinkToTheConsole(t *testing.T) {
	const link = "http://127.0.0.1:9090/console/enter#a-one-time-word"
	answer := func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/console/link" || r.Header.Get(bridge.AdminHeader) == "" {
			t.Errorf("requested %s %s", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"url": link})
	}
	for flags, prints := range map[string]string{"--open": link, "--open --json": `{"url":"` + link + `"}`} {
		if out, said, code := answersAs(t, answer, strings.Fields(flags)...); code != 0 || out != prints+"\n" || said != "" {
			t.Errorf("%s ended with %d: %q, %q", flags, code, out, said)
		}
	}
}

// Where something needs a person status ends with 1 and says no more than the report; where nothing does, with 0.
func TestStatusExitCodes(t *testing.T) {
	for _, test := range []struct {
		problems []status.Problem
		code     int
	}{{[]status.Problem{}, 0}, {[]status.Problem{{What: "w", Where: "x", Fix: "y"}}, 1}} {
		out, said, code := answersAs(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(status.Report{Version: "1", Problems: test.problems})
		})
		var report status.Report
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != test.code || said != "" || len(report.Problems) != len(test.problems) {
			t.Errorf("with %d problems it ended with %d: %s, %q, %v", len(test.problems), code, out, said, err)
		}
	}
}

// What is not a bridge, or an older one, is said in a sentence.
func TestStatusOfSomethingElse(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"does not know /status": http.NotFound,
		"the bridge answers: too many": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"error":"too many"}`)
		},
		"has another form": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{}`)
		},
		"rejected the command, which was": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
	} {
		if out, said, code := answersAs(t, answer); code != 1 || out != "" || !strings.Contains(said, name) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: ended with %d: %q, %q", name, code, out, said)
		}
	}
}
