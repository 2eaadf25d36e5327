package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	hostileSecret = "the-webhook-secret"
	proven        = "X-Webhook-Secret: the-webhook-secret\r\n"
)

// hostile is a request as an attacker, or broken software, may send it: bytes on a connection.
type hostile struct {
	name     string
	head     string // request line and headers, without Host, Content-Length and the empty line
	body     string
	statuses []int // 0: the connection is closed without an answer
}

func hostiles() []hostile {
	const form = "Content-Type: application/x-www-form-urlencoded\r\n"
	webhook := func(path string) string { return "POST /zoho/webhooks/" + path + " HTTP/1.1\r\n" + proven }
	notification := "POST /zoho/notifications HTTP/1.1\r\n"
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, _ = zip.Write(make([]byte, 100<<20))
	_ = zip.Close()
	laughs := `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">`
	for i := 'b'; i < 'k'; i++ {
		laughs += fmt.Sprintf(`<!ENTITY %c "%s">`, i, strings.Repeat(fmt.Sprintf("&%c;", i-1), 10))
	}
	const megabyte = 1<<20 - 1000
	return []hostile{
		{"a body beyond the limit", notification, strings.Repeat("x", 5<<20), []int{413}},
		{"a chunked body without end", notification + "Transfer-Encoding: chunked\r\n", chunks(30 << 20), []int{413, 0}},
		{"a header of 100 KB", "POST /zoho/notifications HTTP/1.1\r\nX-Long: " + strings.Repeat("x", 100<<10) + "\r\n", "{}", []int{431, 0}},
		{"2,000 headers", "POST /zoho/notifications HTTP/1.1\r\n" + strings.Repeat("A: "+strings.Repeat("b", 20)+"\r\n", 2000), "{}", []int{431, 0}},
		{"two lengths", "POST /zoho/notifications HTTP/1.1\r\nContent-Length: 1\r\n", "{}", []int{400}},
		{"length and chunks", "POST /zoho/notifications HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n", []int{400, 401}},
		{"JSON nested a million deep", notification, strings.Repeat("[", megabyte), []int{401}},
		{"JSON objects nested 150,000 deep", notification, `{"token":"x","a":` + strings.Repeat(`{"a":`, 150_000), []int{401}},
		{"authenticated JSON nested 10,000 deep", webhook("Deals/edit") + "Content-Type: application/json\r\n", strings.Repeat("[", 9000) + strings.Repeat("]", 9000), []int{400}},
		{"a megabyte of numbers", webhook("Deals/edit") + "Content-Type: application/json\r\n", "[1" + strings.Repeat(",1", megabyte/2) + "]", []int{200}},
		{"a number of a million digits", webhook("Deals/edit") + "Content-Type: application/json\r\n", `{"id":"1","n":1` + strings.Repeat("0", megabyte) + "}", []int{200, 400}},
		{"100,000 keys that sound like secrets", webhook("Deals/edit") + "Content-Type: application/json\r\n", manyTokens(60_000), []int{200, 400}},
		{"a token of a megabyte", notification, `{"channel_id":"1","token":"` + strings.Repeat("x", megabyte) + `"}`, []int{401}},
		{"entity expansion (a billion laughs)", webhook("Deals/edit") + "Content-Type: text/xml\r\n", laughs + "]><lolz>&j;</lolz>", []int{200}},
		{"an external entity (a file)", webhook("Deals/edit") + "Content-Type: text/xml\r\n", `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`, []int{200}},
		{"XML nested 100,000 deep", webhook("Deals/edit") + "Content-Type: text/xml\r\n", strings.Repeat("<a>", 100_000), []int{200}},
		{"100 MB in a gzip of 100 KB", notification + "Content-Encoding: gzip\r\n", zipped.String(), []int{415}},
		{"100,000 keys in a form, not authenticated", "POST /zoho/webhooks/Deals/edit HTTP/1.1\r\n" + form, strings.Repeat("a=1&", 100_000), []int{401}},
		{"100,000 keys in an authenticated form", webhook("Deals/edit") + form, strings.Repeat("a=1&", 100_000), []int{400}},
		{"100,000 keys with brackets", "POST /bitrix24/events HTTP/1.1\r\n" + form, strings.Repeat("a[b][c][d]=1&", 70_000), []int{401}},
		{"a key of 100,000 brackets", "POST /bitrix24/events HTTP/1.1\r\n" + form, "auth" + strings.Repeat("[a]", 100_000) + "=1", []int{401}},
		{"20,000 parts", webhook("Deals/edit") + "Content-Type: multipart/form-data; boundary=x\r\n", strings.Repeat("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", 20_000) + "--x--\r\n", []int{400}},
		{"not UTF-8", webhook("Deals/edit") + "Content-Type: text/plain\r\n", "\xff\xfe\x00secret", []int{400}},
		{"NUL bytes", webhook("Deals/edit") + form, "id=1%00&a=%00", []int{400}},
		{"NUL in a path", webhook("Deals%00/edit"), "", []int{400}},
		{"path traversal, encoded", webhook("..%2f..%2fetc/edit"), "", []int{400, 404}},
		{"path traversal, plain", webhook("../../etc/edit"), "", []int{404}},
		{"a module with a dot", webhook("De%2eals/edit"), "", []int{400}},
		{"a module that is a wildcard", webhook("%2a/edit"), "", []int{400}},
		{"an operation that is a wildcard", webhook("Deals/%3e"), "", []int{400}},
		{"an operation with a line break", webhook("Deals/a%0d%0aX-Injected:%20b"), "", []int{400}},
		{"a module of 10,000 letters", webhook(strings.Repeat("a", 10_000) + "/edit"), "", []int{400}},
		{"one part too many", webhook("Deals/edit/more"), "", []int{404}},
		{"an unknown method", "BREW /zoho/notifications HTTP/1.1\r\n", "", []int{405}},
		{"not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "", []int{400, 0}},
		{"an unknown charset", webhook("Deals/edit") + "Content-Type: text/plain; charset=klingon\r\n", "x", []int{400}},
	}
}

func chunks(total int) string {
	one := "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"
	return strings.Repeat(one, total/0x10000)
}

func manyTokens(n int) string {
	var b strings.Builder
	b.WriteString(`{"id":"1"`)
	for i := range n {
		_, _ = fmt.Fprintf(&b, `,"token%d":"%d"`, i, i)
	}
	return b.String()[:min(b.Len(), 1<<20-1000)] + `"}`
}

// Whatever arrives at the door is answered clearly, in bounded memory, and the bridge goes on.
func TestHostileRequests(t *testing.T) {
	b := start(t, t.TempDir(), "BRIDGE_ZOHO_WEBHOOK_SECRET="+hostileSecret)
	var table strings.Builder
	for _, h := range hostiles() {
		resetPeak(t, b.cmd.Process.Pid)
		began, before := time.Now(), cpu(t, b.cmd.Process.Pid)
		status, text := send(t, strings.TrimPrefix(b.Callbacks, "http://"), h)
		took, computed, peak := time.Since(began), cpu(t, b.cmd.Process.Pid)-before, peakMiB(t, b.cmd.Process.Pid)
		if !slices.Contains(h.statuses, status) {
			t.Errorf("%s was answered %d, not %v: %s", h.name, status, h.statuses, text)
		}
		if peak > 250 {
			t.Errorf("%s took the bridge to %d MiB", h.name, peak)
		}
		if took > 5*time.Second || computed > 3*time.Second {
			t.Errorf("%s took %s, and %s of CPU", h.name, took, computed)
		}
		if strings.Contains(text, hostileSecret) || strings.Contains(text, "root:") {
			t.Errorf("%s was answered with %s", h.name, text)
		}
		_, _ = fmt.Fprintf(&table, "| %s | %s | %d MiB |\n", h.name, answered(status), peak)
	}
	if status, text := get(t, b.Admin+"/readyz"); status != 200 {
		t.Errorf("not ready afterwards: %s", text)
	}
	t.Logf("hostile requests, answers and peak memory of the whole process:\n%s", table.String())
	if path := os.Getenv("HOSTILE_TABLE"); path != "" {
		if err := os.WriteFile(path, []byte(table.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func answered(status int) string {
	if status == 0 {
		return "closed"
	}
	return strconv.Itoa(status)
}

// A sender that dawdles is cut off, with its header after 5 s and with its body after 15 s.
func TestSlowRequests(t *testing.T) {
	b := start(t, t.TempDir())
	address := strings.TrimPrefix(b.Callbacks, "http://")
	for name, test := range map[string]struct {
		text   string
		within time.Duration
		status string
	}{
		"header": {"POST /zoho/notifications HTTP/1.1\r\nHost: x\r\nX-Slow: ", 9 * time.Second, "HTTP/1.1 408"},
		"body":   {"POST /zoho/notifications HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", 20 * time.Second, "HTTP/1.1 408"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, test.text); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(test.within)); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if err != nil {
				t.Fatalf("still open after %s: %v", test.within, err)
			}
			if !strings.HasPrefix(string(answer), test.status) {
				t.Errorf("answered %s", answer)
			}
		})
	}
}

// send writes a request byte for byte and returns the status of its answer; 0 where the connection is closed without one.
func send(t *testing.T, address string, h hostile) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	head := h.head + "Host: bridge\r\nConnection: close\r\n"
	if !strings.Contains(head, "Transfer-Encoding") {
		head += "Content-Length: " + strconv.Itoa(len(h.body)) + "\r\n"
	}
	go func() { _, _ = io.WriteString(conn, head+"\r\n"+h.body) }()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err.Error()
	}
	text, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	return response.StatusCode, string(text)
}

var peakPattern = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMiB is the most memory that a process has held since resetPeak; 0 where the system does not tell.
func peakMiB(t *testing.T, pid int) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	kilobytes, err := strconv.Atoi(string(peakPattern.FindSubmatch(text)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes >> 10
}

// cpu returns the time that a process has computed. Unlike the time that passes it is not that of others.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // its name may have spaces
	ticks := 0
	for _, field := range fields[11:13] { // user's and system's, in hundredths of a second
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func resetPeak(t *testing.T, pid int) {
	t.Helper()
	if runtime.GOOS == "linux" {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	}
}
