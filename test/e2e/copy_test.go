package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish/transfer"
)

// copied is what crm-bridge copy prints.
type copied struct {
	parts    map[string]transfer.Part
	state    transfer.StateResult
	readers  []transfer.Reader
	complete bool
	next     string
	errs     string
	code     int
}

// copies runs crm-bridge copy.
func copies(t *testing.T, env []string, args ...string) copied {
	t.Helper()
	r := runs(t, env, append([]string{"copy"}, args...)...)
	c := copied{parts: map[string]transfer.Part{}, errs: r.errs, code: r.code}
	for line := range strings.Lines(r.out) {
		var is struct {
			Bucket, Consumer string
			Complete         *bool
			Next             []string
		}
		parse := func(into any) {
			if err := json.Unmarshal([]byte(line), into); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		switch parse(&is); {
		case is.Complete != nil:
			c.complete, c.next = *is.Complete, strings.Join(is.Next, "\n")
		case is.Consumer != "":
			var reader transfer.Reader
			parse(&reader)
			c.readers = append(c.readers, reader)
		case is.Bucket != "":
			parse(&c.state)
		default:
			var part transfer.Part
			parse(&part)
			c.parts[part.Stream] = part
		}
	}
	return c
}

// owner connects to a running bridge as the bridge itself.
func owner(t *testing.T, b *bridge, dir string) jetstream.JetStream {
	t.Helper()
	password, err := os.ReadFile(filepath.Join(dir, "nats-password"))
	if err != nil {
		t.Fatal(err)
	}
	return service(t, b.NATS, nats.UserInfo("crm-bridge", strings.TrimSpace(string(password))), nats.CustomInboxPrefix("_crm_bridge"))
}

// fillEvents stores n events, as a bridge does.
func fillEvents(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	for i := range n {
		msg := &nats.Msg{
			Subject: "crm.zoho.Deals.edit", Header: nats.Header{"content-type": {"application/cloudevents+json"}},
			Data: fmt.Appendf(nil, `{"specversion":"1.0","id":"old-%d","type":"crm.zoho.Deals.edit","source":"s","data":{"more":"%s"}}`, i, strings.Repeat("x", 400)),
		}
		if _, err := js.PublishMsgAsync(msg, jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

// poster posts callbacks one after the other to a bridge that may be down for a while, and remembers the ids that were answered.
type poster struct {
	mu       sync.Mutex
	answered map[string]bool
	refused  int
	end      chan struct{}
	ended    sync.WaitGroup
}

// postTo begins to post, with several posters at once, until stop is called.
func postTo(url string, posters int) *poster {
	p := &poster{answered: map[string]bool{}, end: make(chan struct{})}
	for n := range posters {
		p.ended.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-p.end:
					return
				case <-time.After(2 * time.Millisecond):
				}
				body := strings.NewReplacer("1000000033163", fmt.Sprintf("9%d%08d", n, i)).Replace(documented)
				a, err := tryPost(url+path, body)
				p.mu.Lock()
				if err != nil || a.Status != 200 {
					p.refused++
				} else {
					p.answered[a.Events[0].ID] = true
				}
				p.mu.Unlock()
			}
		})
	}
	return p
}

func (p *poster) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.answered)
}

func (p *poster) stop() {
	close(p.end)
	p.ended.Wait()
}

// A bridge that ran alone moves to another NATS while callbacks are posted to it: although the copy is killed at random moments and the
// target restarts, every event that was answered, before and after, is in the new stream exactly once.
func TestCopyMovesALiveBridge(t *testing.T) {
	t.Parallel()
	const old = 30000
	dir, store, port := t.TempDir(), t.TempDir(), freePort(t)
	env := []string{documentedToken, "BRIDGE_LISTEN=127.0.0.1:" + port, "BRIDGE_NATS_LISTEN=127.0.0.1:" + freePort(t)}
	b := start(t, dir, env...)
	fillEvents(t, owner(t, b, dir), old)
	if a := post(t, b.Callbacks+path, malformed); a.Status != 400 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	remote := openRemote(t, store, -1)
	url := remote.ClientURL()
	p := postTo("http://127.0.0.1:"+port, 4)
	asRunning := append(environment(dir), env...)
	for round, upto := range []uint64{2000, 12000, 0} {
		cmd := exec.Command(program, "copy", "--to", url)
		var said bytes.Buffer
		cmd.Env, cmd.Stderr = asRunning, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if upto > 0 { // it copies
			target := connected(t, url)
			waitFor(t, func() bool {
				stream, err := target.Stream(t.Context(), "CRM")
				return err == nil && stream.CachedInfo().State.Msgs > upto
			})
		} else {
			<-time.After(time.Duration(rand.IntN(1200)) * time.Millisecond) // any moment
		}
		if round == 1 {
			end(remote)
			remote = restart(t, url, store)
		} else if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); round == 1 && err != nil {
			t.Errorf("the copy did not survive a restart of its target: %v, %s", err, said.String())
		}
	}
	live := copies(t, asRunning, "--to", url)
	if live.code != 0 || live.complete || !strings.Contains(live.next, "stop it") {
		t.Errorf("of a running bridge: %+v", live)
	}
	if err := b.stop(t, 15); err != nil {
		t.Fatal(err)
	}
	final := copies(t, asRunning, "--to", url)
	if final.code != 0 || !final.complete || !strings.Contains(final.next, "BRIDGE_NATS_URL="+url) {
		t.Fatalf("of a stopped bridge: %+v", final)
	}
	before := p.count()
	b = start(t, dir, append(env, "BRIDGE_NATS_URL="+url)...)
	waitFor(t, func() bool { return p.count() > before+100 })
	p.stop()
	if p.refused == 0 {
		t.Error("no callback was refused while the bridge was stopped")
	}
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	got := ids(t, url)
	for id := range p.answered {
		if got[id] != 1 {
			t.Errorf("event %s is there %d times", id, got[id])
		}
	}
	if len(got) < old+len(p.answered) {
		t.Errorf("%d events, not %d and %d", len(got), old, len(p.answered))
	}
	for id, n := range got {
		if n != 1 {
			t.Errorf("event %s is there %d times", id, n)
		}
	}
	if strings.Contains(b.Log(), "copy --from embedded") {
		t.Errorf("the start still names the copy: %s", b.Log())
	}
	t.Logf("%d callbacks answered, %d refused", len(p.answered), p.refused)
}

// connected connects to a NATS.
func connected(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}
