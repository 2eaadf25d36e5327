package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const megabyte = 1 << 20

// megabyteMemory is the least memory that the documents name for callbacks of a megabyte, in MiB.
const megabyteMemory = 256

// Crowds that would hold more memory than a container has are refused, with 503 or 408; the bridge lives, and a real callback
// meanwhile is answered 200.
func TestCrowds(t *testing.T) {
	crowds := map[string]func(t *testing.T, address string) *crowd{
		"300 unfinished megabytes of strangers": strangers,
		"200 authenticated megabytes":           insiders,
	}
	for name, gather := range crowds {
		for _, limit := range []int64{256, 512} {
			t.Run(fmt.Sprintf("%s in %d MiB", name, limit), func(t *testing.T) {
				b, caged := startCaged(t, limit<<20)
				c := gather(t, strings.TrimPrefix(b.Callbacks, "http://"))
				for range 5 {
					if status, err := realCallback(b.Callbacks); err != nil || status != 200 {
						t.Errorf("a real callback was answered %d: %v", status, err)
					}
				}
				statuses := c.answers(t)
				peak := peakMiB(t, b.cmd.Process.Pid)
				if peak > int(limit) {
					t.Errorf("the bridge held %d MiB", peak)
				}
				if status, err := realCallback(b.Callbacks); err != nil || status != 200 {
					t.Errorf("afterwards a callback was answered %d: %v", status, err)
				}
				select {
				case err := <-b.exited:
					t.Fatalf("the bridge ended: %v", err)
				default:
				}
				for status := range statuses {
					if status != 200 && status != 408 && status != 503 && status != 0 {
						t.Errorf("%d were answered %d", statuses[status], status)
					}
				}
				t.Logf("control group: %t; peak %d MiB; answers %v", caged, peak, statuses)
			})
		}
	}
}

// startCaged starts a bridge that is killed when it holds more than limit bytes, or where this machine lets us make no such
// limit, one that is given it.
func startCaged(t *testing.T, limit int64, env ...string) (b *bridge, caged bool) {
	t.Helper()
	env = append(env, "BRIDGE_ZOHO_WEBHOOK_SECRET="+hostileSecret)
	if c := openCage(t, limit); c != nil {
		cmd := exec.Command("/bin/sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$1"`, c.folder, program)
		b = startAs(t, cmd, t.TempDir(), env...)
		t.Cleanup(func() { _, _ = b.cmd.Process.Kill(), <-b.exited }) // before the group is removed
		return b, true
	}
	return start(t, t.TempDir(), append(env, fmt.Sprintf("GOMEMLIMIT=%d", limit/5*4))...), false
}

// Forty callbacks of a megabyte at once are within the memory that the documents name for them, however a bridge delivers: nothing is killed, and what is not answered 200 is rejected for the memory.
func TestMegabytesAtOnce(t *testing.T) {
	for _, delivery := range []string{"embedded", "journal", "direct"} {
		t.Run(delivery, func(t *testing.T) {
			var env []string
			if delivery != "embedded" {
				// Behind its default of a megabyte the events would be rejected with 413, unstored.
				remote := openRemoteWith(t, server.Options{Port: -1, StoreDir: t.TempDir(), MaxPayload: 8 * megabyte})
				env = []string{"BRIDGE_DELIVERY=" + delivery, "BRIDGE_NATS_URL=" + remote.ClientURL()}
			}
			b, caged := startCaged(t, megabyteMemory<<20, env...)
			statuses := map[int]int{}
			for range 2 {
				for status, n := range megabytes(t, strings.TrimPrefix(b.Callbacks, "http://"), 40).answers(t) {
					statuses[status] += n
				}
			}
			if statuses[200] == 0 || statuses[200]+statuses[408]+statuses[503] != 80 {
				t.Errorf("the answers were %v", statuses)
			}
			peak := peakMiB(t, b.cmd.Process.Pid)
			if peak > megabyteMemory {
				t.Errorf("the bridge held %d MiB", peak)
			}
			if status, err := realCallback(b.Callbacks); err != nil || status != 200 {
				t.Errorf("afterwards a callback was answered %d: %v", status, err)
			}
			t.Logf("control group: %t; peak %d MiB; answers %v", caged, peak, statuses)
		})
	}
}

func realCallback(url string) (int, error) {
	request, err := http.NewRequest(http.MethodPost, url+"/zoho/webhooks/Deals/edit", strings.NewReader("id=7&Stage=Won"))
	if err != nil {
		return 0, err
	}
	request.Header.Set("X-Webhook-Secret", hostileSecret)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// crowd is connections on which requests are under way.
type crowd struct {
	conns    []net.Conn
	wait     sync.WaitGroup // for what is sent
	patience time.Duration  // how long an answer may take
}

// strangers sends 300 megabytes, each but for its last byte.
func strangers(t *testing.T, address string) *crowd {
	c := &crowd{}
	body := strings.Repeat("x", megabyte-1)
	c.gather(t, address, 300, fmt.Sprintf("POST /zoho/notifications HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", megabyte)+body)
	c.wait.Wait()
	c.patience = time.Second // those that were not cut go on
	return c
}

// insiders sends 200 callbacks of a megabyte.
func insiders(t *testing.T, address string) *crowd { return megabytes(t, address, 200) }

// megabytes sends so many authenticated callbacks of a megabyte at once.
func megabytes(t *testing.T, address string, n int) *crowd {
	c := &crowd{patience: 20 * time.Second}
	body := `{"id":"5725767000003000010","text":[` + strings.Repeat(`{"name":"value 123","other":17},`, (megabyte-100)/32) + `1]}`
	c.gather(t, address, n, fmt.Sprintf("POST /zoho/webhooks/Deals/edit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n", proven, len(body))+body)
	return c
}

func (c *crowd) gather(t *testing.T, address string, n int, request string) {
	t.Helper()
	for range n {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		c.conns = append(c.conns, conn)
		c.wait.Go(func() { _, _ = io.WriteString(conn, request) })
	}
}

// answers counts the statuses of what was answered.
func (c *crowd) answers(t *testing.T) map[int]int {
	t.Helper()
	statuses := map[int]int{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, conn := range c.conns {
		wait.Go(func() {
			_ = conn.SetReadDeadline(time.Now().Add(c.patience))
			status := 0
			if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
				status = response.StatusCode
				_ = response.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	wait.Wait()
	return statuses
}
