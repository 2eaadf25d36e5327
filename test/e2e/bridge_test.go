// Package e2e tests the built program from outside: a plain HTTP client, a plain NATS client, real files.
package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// program is the built binary.
var program string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "crm-bridge-e2e-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(folder, "crm-bridge")
	build := exec.Command("go", "build", "-o", program, "../../cmd/crm-bridge")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // they wait more than they work
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// watchSources looks at every source file from within a test, so that a cached result of these tests is not taken for that of changed code.
func watchSources() {
	_ = filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "node_modules" {
			return fs.SkipDir
		}
		if err == nil && (strings.HasSuffix(path, ".go") || strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".html") || entry.Name() == "go.mod") {
			_, err = os.Stat(path)
		}
		return err
	})
}

// bridge is a running crm-bridge.
type bridge struct {
	Callbacks string `json:"callbacks"`
	Admin     string `json:"admin"`
	NATS      string `json:"nats"`

	cmd    *exec.Cmd
	exited chan error
	mu     sync.Mutex
	log    bytes.Buffer
}

// start runs the program on free ports with env, and returns when it serves.
func start(t *testing.T, dir string, env ...string) *bridge {
	t.Helper()
	return startAs(t, exec.Command(program), dir, env...)
}

// startAs is start with a command that becomes the program.
func startAs(t *testing.T, cmd *exec.Cmd, dir string, env ...string) *bridge {
	t.Helper()
	watchSources()
	b := &bridge{cmd: cmd, exited: make(chan error, 1)}
	b.cmd.Env = append(environment(dir), env...)
	b.cmd.Dir = t.TempDir()
	serving := make(chan struct{})
	stderr, err := b.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.follow(stderr, serving)
	}()
	go func() {
		<-read
		b.exited <- b.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = b.cmd.Process.Kill()
		<-read
	})
	select {
	case <-serving:
	case err := <-b.exited:
		t.Fatalf("ended at the start: %v\n%s", err, b.Log())
	case <-time.After(30 * time.Second):
		t.Fatalf("does not serve:\n%s", b.Log())
	}
	return b
}

func environment(dir string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "BRIDGE_DATA_DIR=" + dir,
		"BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0", "BRIDGE_NATS_LISTEN=127.0.0.1:0",
	}
}

// follow keeps the log, and reads the addresses from the line that says that it serves.
func (b *bridge) follow(stderr io.Reader, serving chan struct{}) {
	decoder := json.NewDecoder(io.TeeReader(stderr, writerFunc(func(p []byte) (int, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.log.Write(p)
	})))
	for {
		var line struct {
			Msg                    string
			Callbacks, Admin, NATS string
		}
		if decoder.Decode(&line) != nil {
			_, _ = io.Copy(io.Discard, decoder.Buffered())
			_, _ = io.Copy(io.Discard, stderr)
			return
		}
		if line.Msg == "serving" {
			b.Callbacks, b.Admin, b.NATS = line.Callbacks, line.Admin, line.NATS
			close(serving)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Log returns what the bridge has logged.
func (b *bridge) Log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

// stop sends a signal and returns how the program ended.
func (b *bridge) stop(t *testing.T, signal syscall.Signal) error {
	t.Helper()
	if err := b.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-b.exited:
		return err
	case <-time.After(30 * time.Second):
		t.Fatalf("does not end:\n%s", b.Log())
		return nil
	}
}

// answer is what a poster reads.
type answer struct {
	Status int
	Header http.Header
	Text   string
	Events []struct {
		ID, Subject, Stream string
		Sequence            uint64
		Duplicate           bool
	}
	QuarantineID string
}

func post(t *testing.T, url, body string) answer {
	t.Helper()
	a, err := tryPost(url, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryPost(url, body string) (answer, error) {
	response, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	a := answer{Status: response.StatusCode, Header: response.Header, Text: string(text)}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	return a, err
}

// client keeps as many connections as the tests have bridges: one that was closed meanwhile could not be opened again by a bridge
// without file descriptors.
var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// consumer is an independent service: it knows the address, the stream and a subject.
func consumer(t *testing.T, url, subject string) (jetstream.Consumer, jetstream.JetStream) {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return consumerOver(t, conn, subject)
}

// consumerOver makes a consumer over a connection.
func consumerOver(t *testing.T, conn *nats.Conn, subject string) (jetstream.Consumer, jetstream.JetStream) {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.CreateOrUpdateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{FilterSubject: subject, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	return c, js
}

// ids reads the ids of all events that the stream holds. It leaves no connection and no consumer, so that it can be called often.
func ids(t *testing.T, url string) map[string]int {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, js := consumerOver(t, conn, "crm.>")
	defer func() { _ = js.DeleteConsumer(t.Context(), "CRM", c.CachedInfo().Name) }()
	all := map[string]int{}
	for waiting := c.CachedInfo().NumPending; waiting > 0; waiting-- {
		msg, err := c.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		var e struct{ ID string }
		if err := json.Unmarshal(msg.Data(), &e); err != nil {
			t.Fatal(err)
		}
		all[e.ID]++
		if err := msg.Ack(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
