package e2e

import (
	"sync"
	"syscall"
	"testing"
	"time"
)

// sendUntilTaken posts callbacks of so many records each from several connections, each until it is answered with 200, and returns
// when all are; broken is called in the middle, and returns where to send to from then on.
func sendUntilTaken(t *testing.T, url string, callbacks, records int, broken func() string) {
	t.Helper()
	var mu sync.Mutex
	next, taken, at := 0, 0, url
	var wait sync.WaitGroup
	half := make(chan struct{})
	for range 8 {
		wait.Go(func() {
			for {
				mu.Lock()
				mark := next
				next++
				mu.Unlock()
				if mark >= callbacks {
					return
				}
				for deadline := time.Now().Add(30 * time.Second); ; <-time.After(20 * time.Millisecond) {
					mu.Lock()
					to := at
					mu.Unlock()
					if a, err := tryPost(to+path, about(mark, records, 0)); err == nil && a.Status == 200 {
						break
					}
					if time.Now().After(deadline) {
						t.Errorf("callback %d is not answered with 200", mark)
						break
					}
				}
				mu.Lock()
				if taken++; taken == callbacks/2 {
					close(half)
				}
				mu.Unlock()
			}
		})
	}
	<-half
	to := broken()
	mu.Lock()
	at = to
	mu.Unlock()
	wait.Wait()
}

// Whatever ends in the middle of many callbacks, the bridge, its journal's remote or the NATS that it publishes to at once:
// when the CRM has sent again what was not answered with 200, every record has its event once, in the order of its callback.
func TestRecordsThroughFailures(t *testing.T) {
	t.Parallel()
	const callbacks, records = 60, 50
	t.Run("direct, NATS ends", func(t *testing.T) {
		store := t.TempDir()
		remote := openRemote(t, store, -1)
		b := start(t, t.TempDir(), documentedToken, perRecord, "BRIDGE_DELIVERY=direct", "BRIDGE_ANSWER_TIMEOUT=1s", "BRIDGE_NATS_URL="+remote.ClientURL())
		sendUntilTaken(t, b.Callbacks, callbacks, records, func() string {
			remote.Shutdown()
			remote.WaitForShutdown()
			remote = restart(t, remote.ClientURL(), store)
			return b.Callbacks
		})
		holdsEach(t, remote.ClientURL(), callbacks, records, true)
	})
	t.Run("embedded, the bridge is killed", func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, dir, documentedToken, perRecord)
		sendUntilTaken(t, b.Callbacks, callbacks, records, func() string {
			_ = b.stop(t, syscall.SIGKILL)
			b = start(t, dir, documentedToken, perRecord)
			return b.Callbacks
		})
		holdsEach(t, b.NATS, callbacks, records, true)
	})
	t.Run("journal, both", func(t *testing.T) {
		dir, store := t.TempDir(), t.TempDir()
		remote := openRemote(t, store, -1)
		to := "BRIDGE_NATS_URL=" + remote.ClientURL()
		b := start(t, dir, documentedToken, perRecord, to)
		sendUntilTaken(t, b.Callbacks, callbacks, records, func() string {
			remote.Shutdown()
			remote.WaitForShutdown()
			_ = b.stop(t, syscall.SIGKILL)
			b = start(t, dir, documentedToken, perRecord, to)
			remote = restart(t, remote.ClientURL(), store)
			return b.Callbacks
		})
		waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
		holdsEach(t, remote.ClientURL(), callbacks, records, true)
	})
}
