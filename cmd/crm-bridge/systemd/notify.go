package systemd

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Service reports the state of the process to the service manager. A report that cannot be sent is logged, and does not stop the process.
type Service struct{ Log *slog.Logger }

const (
	// startFor bounds how long a start is extended: reading a large store after a power cut takes minutes, and a start that is killed
	// for it begins from scratch.
	startFor = 15 * time.Minute
	// startStep is how long each extension lasts, and a third of it how often there is one.
	startStep = 30 * time.Second
)

// Starting keeps the service manager from ending the start for its duration until stop is called, for at most 15 minutes. stop returns when
// nothing more is sent.
func (s Service) Starting() (stop func()) {
	ctx, cancel := context.WithTimeout(context.Background(), startFor)
	var running sync.WaitGroup
	running.Go(func() {
		for s.notify(extend(startStep)) && wait(ctx, startStep/3) {
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// Ready reports that callbacks are received; status is shown by systemctl status.
func (s Service) Ready(status string) { s.notify(daemon.SdNotifyReady + "\nSTATUS=" + status) }

// Stopping reports that the process ends, which may take as long as most.
func (s Service) Stopping(most time.Duration) {
	s.notify(daemon.SdNotifyStopping + "\n" + extend(most))
}

// Watch reports twice in each of the watchdog's intervals (WatchdogSec=) that the process is alive, as long as alive returns no error,
// until ctx ends. alive gets half an interval to return. It returns at once if the service manager watches nothing.
func (s Service) Watch(ctx context.Context, alive func(ctx context.Context) error) {
	interval, err := daemon.SdWatchdogEnabled(true)
	if err != nil {
		s.Log.Warn("the watchdog of the service manager is not served", "error", err)
	}
	if err != nil || interval <= 0 {
		return
	}
	for {
		asked := time.Now()
		within, cancel := context.WithTimeout(ctx, interval/2)
		err := alive(within)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.Log.Warn("the process does not answer itself: without an answer the service manager restarts it", "within", interval.String(), "error", err)
		case !s.notify(daemon.SdNotifyWatchdog):
			return
		}
		if !wait(ctx, interval/2-time.Since(asked)) {
			return
		}
	}
}

// notify sends a message, and reports whether there is somebody to send further ones to.
func (s Service) notify(message string) bool {
	sent, err := daemon.SdNotify(false, message)
	if err != nil {
		s.Log.Warn("the service manager was not notified", "error", err)
	}
	return sent || err != nil
}

// extend is the message that extends what the service manager waits for.
func extend(by time.Duration) string {
	return "EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(by.Microseconds(), 10)
}

// wait returns after d, and reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
