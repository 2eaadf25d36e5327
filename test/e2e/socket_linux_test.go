package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// passed returns a command that starts the program with open sockets, as systemd does: from descriptor 3 on, with their names.
func passed(t *testing.T, names string, sockets ...net.Listener) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, program)
	for _, socket := range sockets {
		file, err := socket.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	cmd.Env = []string{fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), "LISTEN_FDNAMES=" + names}
	return cmd
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return socket
}

// Callbacks that come while one bridge stops and the next starts on the same socket are all answered 200, without being sent twice, and
// are in the stream once: those that nobody has accepted wait in the socket, those that were accepted get their answer first.
func TestSocketOutlivesTheBridge(t *testing.T) {
	t.Parallel()
	dir, socket := t.TempDir(), listenTCP(t)
	startOn := func() *bridge {
		cmd := passed(t, "callbacks", socket)
		return startAs(t, cmd, dir, append(cmd.Env, documentedToken, "BRIDGE_DRAIN_DELAY=200ms")...)
	}
	url := "http://" + socket.Addr().String() + path
	var stop atomic.Bool
	var mu sync.Mutex
	sent := map[string]int{}
	var senders sync.WaitGroup
	send := func(client *http.Client) {
		for !stop.Load() {
			response, err := client.Post(url, "application/json", strings.NewReader(documented))
			if err != nil {
				t.Error(err)
				return
			}
			text, err := io.ReadAll(response.Body)
			if _ = response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("answered %d %s %v", response.StatusCode, text, err)
				return
			}
			_, id, _ := bytes.Cut(text, []byte(`"id":"`))
			id, _, _ = bytes.Cut(id, []byte(`"`))
			mu.Lock()
			sent[string(id)]++
			mu.Unlock()
		}
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(sent)
	}
	one := startOn()
	for i := range 8 {
		transport := &http.Transport{MaxConnsPerHost: 1}
		defer transport.CloseIdleConnections()
		if i%2 == 0 { // a new connection for each callback, from afar: the bridge may stop between its first packet and its request
			transport.DisableKeepAlives, transport.DialContext = true, dialFromAfar
		}
		senders.Go(func() { send(&http.Client{Transport: transport, Timeout: time.Minute}) })
	}
	for range 3 {
		before := count()
		waitFor(t, func() bool { return count() > before+100 || t.Failed() })
		if err := one.stop(t, syscall.SIGTERM); err != nil {
			t.Errorf("ended with %v\n%s", err, last(one.Log()))
		}
		one = startOn()
	}
	before := count()
	waitFor(t, func() bool { return count() > before+100 || t.Failed() })
	stop.Store(true)
	senders.Wait()
	stored := ids(t, one.NATS)
	for id, n := range sent {
		if n != 1 || stored[id] != 1 {
			t.Errorf("event %q was answered %d times and is stored %d times", id, n, stored[id])
		}
	}
	if len(stored) != len(sent) {
		t.Errorf("%d answered, %d stored", len(sent), len(stored))
	}
}

// dialFromAfar opens a connection whose data takes 20 ms to arrive.
func dialFromAfar(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return &distant{Conn: conn}, err
}

type distant struct{ net.Conn }

func (d *distant) Write(p []byte) (int, error) {
	<-time.After(20 * time.Millisecond)
	return d.Conn.Write(p)
}

// The socket that systemd passes is taken in place of BRIDGE_LISTEN, TLS included; no child process would inherit it.
func TestSocketReplacesListen(t *testing.T) {
	t.Parallel()
	socket := listenTCP(t)
	cert, key := writeCertificate(t, time.Now().Add(time.Hour))
	for names, secure := range map[string]bool{"callbacks": true, "crm-bridge.socket": false, "": false} {
		cmd := passed(t, names, socket)
		env := append(cmd.Env, documentedToken)
		scheme := "http://"
		if secure {
			env, scheme = append(env, "BRIDGE_LISTEN_CERT="+cert, "BRIDGE_LISTEN_KEY="+key), "https://"
		}
		b := startAs(t, cmd, t.TempDir(), env...)
		if want := scheme + socket.Addr().String(); b.Callbacks != want {
			t.Errorf("%s serves %s, want %s", names, b.Callbacks, want)
		}
		caller := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		response, err := caller.Post(b.Callbacks+path, "application/json", strings.NewReader(documented))
		if err != nil {
			t.Fatal(err)
		}
		if _ = response.Body.Close(); response.StatusCode != http.StatusOK {
			t.Errorf("answered %s", response.Status)
		}
		held := 0
		folder := fmt.Sprintf("/proc/%d/", b.cmd.Process.Pid)
		open, err := os.ReadDir(folder + "fd")
		if err != nil {
			t.Fatal(err)
		}
		inode := socketInode(t, socket)
		for _, one := range open {
			if target, _ := os.Readlink(folder + "fd/" + one.Name()); target != inode {
				continue
			}
			held++
			info, err := os.ReadFile(folder + "fdinfo/" + one.Name())
			_, text, _ := strings.Cut(string(info), "flags:")
			var flags uint64
			if _, failed := fmt.Sscanf(text, "%o", &flags); errors.Join(err, failed) != nil || flags&unix.O_CLOEXEC == 0 {
				t.Errorf("descriptor %s would be inherited: %s", one.Name(), info)
			}
		}
		if held != 1 {
			t.Errorf("%d descriptors of the socket are open", held)
		}
		if err := b.stop(t, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
}

// socketInode returns what the descriptors of a socket are links to.
func socketInode(t *testing.T, socket net.Listener) string {
	t.Helper()
	file, err := socket.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// A socket that cannot be used stops the start with a sentence that says what to change, so that callbacks do not come to nobody.
func TestUnusableSocketsStopTheStart(t *testing.T) {
	t.Parallel()
	local, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = local.Close() }()
	for want, cmd := range map[string]*exec.Cmd{
		`with the name "console", which crm-bridge does not know`:  passed(t, "console", listenTCP(t)),
		`with the name "admin", which crm-bridge does not know`:    passed(t, "callbacks:admin", listenTCP(t), listenTCP(t)),
		`systemd passed 2 sockets with the name callbacks`:         passed(t, "callbacks:callbacks", listenTCP(t), listenTCP(t)),
		`is a unix socket: set ListenStream= to a TCP port`:        passed(t, "callbacks", local),
		`with the name "LISTEN_FD_4", which crm-bridge does not k`: passed(t, "callbacks", listenTCP(t), listenTCP(t)),
	} {
		cmd.Env = append(environment(t.TempDir()), cmd.Env...)
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), want) {
			t.Errorf("ended with %v and said %s, want %s", err, out, want)
		}
	}
}

// A service manager is notified when callbacks are received, that the process is alive, and how long its end may take.
func TestServiceManagerIsNotified(t *testing.T) {
	t.Parallel()
	address := &net.UnixAddr{Net: "unixgram", Name: filepath.Join(t.TempDir(), "notify")}
	manager, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = manager.Close() }()
	b := start(t, t.TempDir(), documentedToken, "NOTIFY_SOCKET="+address.Name, "WATCHDOG_USEC=100000", "BRIDGE_DRAIN_DELAY=1s")
	next := func() string {
		t.Helper()
		message := make([]byte, 1<<10)
		_ = manager.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := manager.Read(message)
		if err != nil {
			t.Fatalf("%v\n%s", err, last(b.Log()))
		}
		return string(message[:n])
	}
	expect := func(want string) {
		t.Helper()
		for message := ""; message != want; {
			if message = next(); message != want && message != "WATCHDOG=1" {
				t.Fatalf("notified of %q, want %q", message, want)
			}
		}
	}
	expect("EXTEND_TIMEOUT_USEC=30000000")
	expect("READY=1\nSTATUS=Receiving callbacks on " + strings.TrimPrefix(b.Callbacks, "http://"))
	expect("WATCHDOG=1")
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expect("STOPPING=1\nEXTEND_TIMEOUT_USEC=36000000") // the delay, the drain, the answer timeout, and closing
}
