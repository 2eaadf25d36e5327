package console

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/test/ports"
)

// bridge is a crm-bridge as a program of its own. Its addresses stay the same after a restart.
type bridge struct {
	dir string
	env []string

	Callbacks, Admin, NATS string // URLs

	cmd    *exec.Cmd
	exited chan error
	mu     sync.Mutex
	log    bytes.Buffer
}

// newBridge returns a bridge on free ports, in a folder, with env. It is not started.
func newBridge(dir string, env ...string) (*bridge, error) {
	b := &bridge{dir: dir, exited: make(chan error, 1)}
	b.env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "BRIDGE_DATA_DIR=" + filepath.Join(dir, "data")}, env...)
	for variable, url := range map[string]*string{"BRIDGE_LISTEN=": &b.Callbacks, "BRIDGE_ADMIN_LISTEN=": &b.Admin, "BRIDGE_NATS_LISTEN=": &b.NATS} {
		address, err := ports.Address()
		if err != nil {
			return nil, err
		}
		b.env, *url = append(b.env, variable+address), "http://"+address
	}
	b.NATS = strings.Replace(b.NATS, "http", "nats", 1)
	b.env = append(b.env, "BRIDGE_PUBLIC_URL="+b.Callbacks)
	return b, nil
}

// start starts the bridge, and returns when it serves.
func (b *bridge) start() error {
	b.cmd = exec.Command(program, "serve")
	b.cmd.Env, b.cmd.Dir = b.env, b.dir
	stderr, err := b.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := b.cmd.Start(); err != nil {
		return err
	}
	serving := make(chan bool, 1)
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			b.mu.Lock()
			b.log.WriteString(lines.Text() + "\n")
			b.mu.Unlock()
			if strings.Contains(lines.Text(), `"msg":"serving"`) {
				serving <- true
			}
		}
		b.exited <- b.cmd.Wait()
	}()
	select {
	case <-serving:
		return nil
	case err := <-b.exited:
		return fmt.Errorf("the bridge ended: %w\n%s", err, b.said())
	case <-time.After(time.Minute):
		return fmt.Errorf("the bridge does not serve:\n%s", b.said())
	}
}

// kill ends the bridge at once, as a lost machine would.
func (b *bridge) kill() {
	_ = b.cmd.Process.Kill()
	<-b.exited //nolint:errcheck // it was killed
}

// restart kills the bridge, and starts it with further variables.
func (b *bridge) restart(env ...string) error {
	b.kill()
	b.env = append(b.env, env...)
	return b.start()
}

// said returns what the bridge has logged.
func (b *bridge) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

// run runs a command of the program beside the bridge, and returns what it prints.
func (b *bridge) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Dir = b.env, b.dir
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("crm-bridge %s: %w: %s%s", strings.Join(args, " "), err, complaints.String(), out)
	}
	return string(out), nil
}

// post posts a JSON body, and returns the status and the answer.
func post(url string, body any, header ...string) (int, string, error) {
	var raw bytes.Buffer
	encoder := json.NewEncoder(&raw)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return 0, "", err
	}
	request, err := http.NewRequest(http.MethodPost, url, &raw)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// within waits for a condition.
func within(limit time.Duration, what string, ok func() bool) error {
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %s", limit, what)
		}
	}
	return nil
}
