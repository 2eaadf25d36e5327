//go:build unix

package systemd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// manager is a service manager that hears what a process reports; next returns its next message.
func manager(t *testing.T) (next func() string) {
	t.Helper()
	address := &net.UnixAddr{Net: "unixgram", Name: filepath.Join(t.TempDir(), "notify")}
	socket, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	t.Setenv("NOTIFY_SOCKET", address.Name)
	return func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		message := make([]byte, 1<<10)
		n, err := socket.Read(message)
		if err != nil {
			t.Fatal(err)
		}
		return string(message[:n])
	}
}

// A process that does not answer itself is not reported alive, so that the service manager restarts it; one that answers again is.
func TestWatchdogIsServedOnlyWhileAlive(t *testing.T) {
	next := manager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	answers := []error{nil, errors.New("no answer"), errors.New("no answer"), nil}
	asked, watched := 0, make(chan struct{})
	go func() {
		defer close(watched)
		Service{slog.New(slog.NewTextHandler(&log, nil))}.Watch(ctx, func(context.Context) error {
			if asked++; asked > len(answers) {
				<-ctx.Done()
				return ctx.Err()
			}
			return answers[asked-1]
		})
	}()
	if got := []string{next(), next()}; !slices.Equal(got, []string{"WATCHDOG=1", "WATCHDOG=1"}) {
		t.Errorf("reported %q", got)
	}
	stop()
	<-watched
	if n := strings.Count(log.String(), "does not answer itself"); n != 2 {
		t.Errorf("logged %d times: %s", n, log.String())
	}
}

// Nothing is watched or sent where no service manager asks for it.
func TestWithoutAServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	var log bytes.Buffer
	service := Service{slog.New(slog.NewTextHandler(&log, nil))}
	service.Starting()()
	service.Ready("ready")
	service.Stopping(time.Second)
	service.Watch(t.Context(), func(context.Context) error { return errors.New("was asked") })
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}
	if socket, err := Socket(); socket != nil || err != nil {
		t.Errorf("a socket: %v, %v", socket, err)
	}
}
