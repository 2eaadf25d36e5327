package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// programmers is what only a programmer of Go reads with ease.
var programmers = regexp.MustCompile(`strconv\.|invalid (?:argument|syntax)|context (?:canceled|deadline)|\\u00[0-9a-f]{2}|(?:dial|read|write) (?:tcp|udp)|lookup \S+ on|nats: |<nil>|\bEOF\b|json: |unmarshal|invalid character|unexpected end of JSON|i/o timeout|net/http|x509: |tls: |parsing time|time: (?:invalid|missing|unknown)|Client\.Timeout|unsupported protocol|%!|\b(?:Get|Post|Put) "`)

// Whatever is typed wrongly, and whatever does not answer, each command says so in a sentence for people.
func TestErrorsAreForPeople(t *testing.T) {
	clean(t)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	closing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closing.Close() }()
	go func() {
		for {
			conn, err := closing.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	t.Setenv("BRIDGE_ADMIN_LISTEN", "127.0.0.1:1")
	t.Setenv("BRIDGE_NATS_LISTEN", "127.0.0.1:1")
	gone, shut := "127.0.0.1:1", closing.Addr().String()
	for _, args := range []string{
		"send --count x", "send --count 99999999999999999999", "send --count 1.5", "send --rate fast", "send --rate -1", "send --json=maybe",
		"send --token x --url http://" + gone, "send --token x --url https://" + gone, "send --token x --url ftp://" + gone, "send --token x --url ::",
		"send --token x --url nowhere", "send --token x --url http://nowhere.invalid", "send --token x --url http://" + shut, "send --token x --url https://" + shut,
		"send --token x --url https://" + silent.Listener.Addr().String(), "send --token x --file /nowhere", "send --token x --file /",
		"tail --count x", "tail --since x", "tail --since 2026-13-01", "tail --since 99999999999999h", "tail", "tail --pretty=x",
		"record zoho Deals 1", "record zoho Deals", "record zoho Deals 1 --json=x",
		"replay --from-sequence x", "replay --from-sequence -1", "replay --to-sequence 1e9", "replay --rate x", "replay --rate 0", "replay --retry-for x",
		"replay --retry-for 1", "replay --since x", "replay --until x", "replay --to http://", "replay --to http://%zz", "replay", "replay --dry-run",
		"replay --to http://" + gone + " --header-file /nowhere", "replay --to http://" + gone + " --state /nowhere/x",
		"backfill zoho --module Deals --since x", "backfill zoho --module Deals --since 7d --until x", "backfill zoho --module Deals --since 7d",
		"channels", "channels renew zoho", "channels --json=x", "quarantine list", "quarantine list --older-than x", "quarantine show x", "quarantine redrive x", "quarantine drop x",
		"check", "check --timeout x", "check --timeout 10", "check ::", "check http://" + gone, "check http://" + shut, "check https://" + silent.Listener.Addr().String(),
		"check --timeout 20ms http://" + silent.Listener.Addr().String(), "check http://nowhere.invalid/", "check --roundtrip --url http://" + gone,
		"config --json=x", "version --json=x", "demo --crm=x", "help --x",
	} {
		checkPlain(t, args, strings.Fields(args))
	}
	for _, url := range []string{"nats://" + gone, "nats://" + shut, "nats://nowhere.invalid:4222", "nats://a b:4222", "::", "http://" + gone, "tls://" + shut} {
		t.Setenv("BRIDGE_NATS_URL", url)
		checkPlain(t, "BRIDGE_NATS_URL="+url+" tail", []string{"tail"})
		checkPlain(t, "BRIDGE_NATS_URL="+url+" replay", []string{"replay"})
	}
}

// So does a command that is answered by something else than a bridge, or reads a file that is something else.
func TestOddAnswersAreForPeople(t *testing.T) {
	clean(t)
	for _, body := range []string{"<html>hello</html>", "", `{"id":7,"provider":{},"until":"never"}`, `{"id":"x"`, "[1,2]", "null\x00"} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		t.Setenv("BRIDGE_ADMIN_LISTEN", other.Listener.Addr().String())
		file := filepath.Join(t.TempDir(), "job")
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range []string{
			"channels", "channels --json", "quarantine list", "quarantine show x", "quarantine redrive x", "check", "send --token x --url " + other.URL,
			"check --roundtrip --url " + other.URL, "replay --to " + other.URL + " --state " + file,
		} {
			var out, errs bytes.Buffer
			_ = run(t.Context(), strings.Fields(args), &out, &errs)
			if said := programmers.FindString(errs.String()); said != "" {
				t.Errorf("%s, %q: %q in %s", args, body, said, errs.String())
			}
		}
		other.Close()
	}
}

// checkPlain runs a command that fails.
func checkPlain(t *testing.T, name string, args []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, args, &out, &errs); code == 0 {
		t.Errorf("%s: it does not fail: %s", name, errs.String())
	}
	if said := programmers.FindString(errs.String()); said != "" {
		t.Errorf("%s: %q in %s", name, said, errs.String())
	}
}

// Every variable that cannot hold a value says what it takes, and nothing of how it was read.
func TestVariablesAreForPeople(t *testing.T) {
	for _, variable := range []string{
		"LISTEN", "ADMIN_LISTEN", "NATS_LISTEN", "STREAM_MAX_AGE", "STREAM_MAX_BYTES", "STREAM_REPLICAS", "STREAM_DUPLICATES", "DRAIN_DELAY", "ANSWER_TIMEOUT",
		"SYNC", "RATE", "MAX_BODY", "MAX_IN_FLIGHT", "ALLOW", "TRUSTED_PROXIES", "LOG_LEVEL", "LOG_FORMAT", "DELIVERY", "PUBLIC_URL", "EVENT_MODE", "EVENT_PER",
		"SUBJECT_PREFIX", "STREAM", "JOURNAL_MAX_BYTES", "ZOHO_TOKENS", "ZOHO_EVENTS", "ZOHO_DC", "ZOHO_API_VERSION", "ZOHO_API_URL", "ZOHO_ACCOUNTS_URL",
		"BITRIX24_TOKENS", "BITRIX24_OFFLINE", "BITRIX24_EVENTS", "BITRIX24_OAUTH_URL", "ZOHO_TOKENS_FILE", "LISTEN_CERT", "UNHEARD_OF",
	} {
		for _, value := range []string{"%zz:: ?", "-99999999999999999999999", "/nowhere/at all"} {
			t.Run(variable, func(t *testing.T) {
				clean(t)
				t.Setenv("BRIDGE_"+variable, value)
				var out, errs bytes.Buffer
				_ = run(t.Context(), []string{"config"}, &out, &errs)
				if said := programmers.FindString(errs.String()); said != "" {
					t.Errorf("%s: %q in %s", value, said, errs.String())
				}
			})
		}
	}
}

// A library's text about its own calls is put into plain words, wherever in an error it is.
func TestPlainly(t *testing.T) {
	_, number := strconv.Atoi("twelve")
	_, large := strconv.ParseInt("99999999999999999999", 10, 64)
	_, span := time.ParseDuration("soon")
	_, date := time.Parse(time.RFC3339, "tomorrow")
	address := strings.ReplaceAll("http://a_b/", "_", " ")
	_, parsed := url.Parse(address)
	var record struct{ ID int }
	wrong, broken := json.Unmarshal([]byte(`{"ID":"x"}`), &record), json.Unmarshal([]byte(`{"ID":`), &record)
	html := json.Unmarshal([]byte(`<html>`), &record)
	for want, err := range map[string]error{
		`say: "twelve" is not a number`:                               fmt.Errorf("say: %w", number),
		`"99999999999999999999" is out of range`:                      large,
		`"soon" is not a span of time, such as 30s`:                   span,
		`"tomorrow" is not a time`:                                    date,
		`"http://a b/" is not a URL; give another`:                    fmt.Errorf("%w; give another", parsed),
		`JSON of another form: a string does not belong at ID`:        wrong,
		`the answer is not valid JSON`:                                fmt.Errorf("the answer is %w", broken),
		`page: not valid JSON`:                                        fmt.Errorf("page: %w", html),
		`save: interrupted`:                                           fmt.Errorf("save: %w", context.Canceled),
		`no answer in time; again`:                                    fmt.Errorf("%w; again", context.DeadlineExceeded),
		`http://x/: the connection was closed`:                        &url.Error{Op: "Post", URL: "http://x/", Err: io.EOF},
		`a < b && c > d`:                                              errors.New(`a \u003c b \u0026\u0026 c \u003e d`),
		`the file EOFs.txt is kept`:                                   errors.New("the file EOFs.txt is kept"),
		`open /nowhere: no such file or directory`:                    errors.New("open /nowhere: no such file or directory"),
		`--count must be a whole number in range, not "x" (and help)`: errors.New(`invalid argument "x" for "--count" flag: must be an integer (and help)`),
	} {
		if got := terminal.Plainly(err); got != want {
			t.Errorf("%q became %q, want %q", err, got, want)
		}
	}
}

// JSON is written for people: what HTML would escape is as it is.
func TestJSONIsNotEscaped(t *testing.T) {
	clean(t)
	t.Setenv("BRIDGE_ZOHO_ACCOUNT", "x")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"config", "--json"}, &out, &errs); code != 0 {
		t.Fatal(errs.String())
	}
	if strings.Contains(out.String(), `\u00`) {
		t.Errorf("escaped: %s", out.String())
	}
}
