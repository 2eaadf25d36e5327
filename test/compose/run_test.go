package compose

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The bridge of each file becomes ready with the variables of that file, a callback comes through, and a consumer reads its event with
// the user and the password that the file gives it, which cannot write.
func TestRun(t *testing.T) {
	program := filepath.Join(t.TempDir(), "crm-bridge")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/crm-bridge")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, example := range examples {
		t.Run(example, func(t *testing.T) {
			folder := prepared(t, example)
			project := load(t, folder)
			p := process{program: program, folder: folder, service: project.Services["bridge"]}
			p.change = map[string]string{":9090": free(t), ":4222": free(t)}
			for name, secret := range project.Secrets {
				p.change["/run/secrets/"+name] = secret.File
			}
			if _, ok := project.Services["nats"]; ok {
				p.change["nats://nats:4222"] = startNATS(t, folder)
			}
			p.start(t)
			p.run(t, "check", "--roundtrip")
			address := p.change["nats://nats:4222"]
			if address == "" {
				address = "nats://" + p.change[":4222"]
			}
			consume(t, address, filepath.Join(folder, "secrets/consumer-password"))
		})
	}
}

// process is the service of a bridge, run without its container.
type process struct {
	program, folder string
	service         types.ServiceConfig
	change          map[string]string // of values of variables: what a container has for itself
}

// environment is exactly that of the service, with the paths and addresses of this machine, and what the image sets.
func (p process) environment(t *testing.T) []string {
	t.Helper()
	all := []string{"BRIDGE_DATA_DIR=" + filepath.Join(p.folder, "data"), "BRIDGE_LISTEN=" + p.change["listen"]}
	for key, value := range p.service.Environment {
		if value == nil {
			t.Fatalf("%s has no value", key)
		}
		text := *value
		if changed, ok := p.change[text]; ok {
			text = changed
		}
		all = append(all, key+"="+text)
	}
	return all
}

// start runs the bridge until the test ends, and returns when its health check passes; then it has to drain.
func (p process) start(t *testing.T) {
	t.Helper()
	p.change["listen"] = free(t)
	var log bytes.Buffer
	bridge := exec.Command(p.program)
	bridge.Env, bridge.Stderr = p.environment(t), &log
	if err := bridge.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- bridge.Wait() }()
	t.Cleanup(func() {
		_ = bridge.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil || !strings.Contains(log.String(), "every answered event is safe") {
				t.Errorf("the bridge does not drain: %v\n%s", err, &log)
			}
		case <-time.After(time.Duration(*p.service.StopGracePeriod)):
			_ = bridge.Process.Kill()
			t.Errorf("the bridge does not end within the grace period")
		}
	})
	if test := p.service.HealthCheck.Test; test[0] != "CMD" || test[1] != "/usr/local/bin/crm-bridge" {
		t.Fatalf("the health check is %q", test)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out, err := p.command(t.Context(), t, p.service.HealthCheck.Test[2:]...).CombinedOutput()
		if err == nil {
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the bridge ended: %v\n%s", err, &log)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the bridge does not become ready: %s", out)
		}
	}
}

func (p process) command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, p.program, args...)
	command.Env = p.environment(t)
	return command
}

func (p process) run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := p.command(t.Context(), t, args...).CombinedOutput(); err != nil {
		t.Fatalf("crm-bridge %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// startNATS runs a NATS server with the configuration of an example, and returns its URL.
func startNATS(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(folder, "nats.conf")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	local := strings.NewReplacer("0.0.0.0:4222", "127.0.0.1:-1", "127.0.0.1:8222", "127.0.0.1:-1", "/data", filepath.Join(folder, "stream"), "include passwords.conf", "include secrets/passwords.conf")
	if err := os.WriteFile(path, []byte(local.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !options.SyncAlways {
		t.Error("NATS acknowledges before the disk has an event")
	}
	options.NoSigs = true
	nats, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	nats.Start()
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	if !nats.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS does not start")
	}
	return nats.ClientURL()
}

// consume reads an event as the user "consumer", and tries to write one.
func consume(t *testing.T, address, password string) {
	t.Helper()
	secret, err := os.ReadFile(password)
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 8)
	conn, err := nats.Connect(address, nats.UserInfo("consumer", strings.TrimSpace(string(secret))),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	consumer, err := stream.CreateOrUpdateConsumer(ctx, "CRM", jetstream.ConsumerConfig{Durable: "billing", FilterSubject: "crm.>"})
	if err != nil {
		t.Fatal(err)
	}
	message, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := message.DoubleAck(ctx); err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish("crm.zoho.Deals.edit", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		if !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
			t.Errorf("a consumer that writes gets %v", err)
		}
	case <-ctx.Done():
		t.Error("a consumer may write events")
	}
}

// free is an address of this machine that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return fmt.Sprint(listener.Addr())
}
