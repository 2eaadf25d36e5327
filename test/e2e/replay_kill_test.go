package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// endpoint is what a replay posts to.
type endpoint struct {
	mu     sync.Mutex
	posts  []posted
	answer func(n int) int // status of the nth post, which count from 1; 0: 204; -1: the connection breaks
}

type posted struct {
	id, uri, method, body string
	header                http.Header
	status                int
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it broke
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var of struct{ ID string }
	_ = json.Unmarshal(body, &of)
	if id := r.Header.Get("ce-id"); id != "" {
		of.ID = id
	}
	status := 0
	if e.answer != nil {
		status = e.answer(len(e.posts) + 1)
	}
	e.posts = append(e.posts, posted{of.ID, r.RequestURI, r.Method, string(body), r.Header, status})
	switch status {
	case -1:
		panic(http.ErrAbortHandler)
	case 0:
		w.WriteHeader(http.StatusNoContent)
	default:
		if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}
}

func (e *endpoint) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.posts, e.answer = nil, nil
}

// answers sets what is answered from now on.
func (e *endpoint) answers(status func(n int) int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = status
}

func (e *endpoint) first() posted {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.posts[0]
}

// taken are the ids of the posts that were answered with 204.
func (e *endpoint) taken() (ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.posts {
		if p.status == 0 {
			ids = append(ids, p.id)
		}
	}
	return ids
}

func (e *endpoint) methods() (all []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.posts {
		all = append(all, p.method)
	}
	return all
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// filled is a remote with a stream of n events, and the environment of a command for it.
func filled(t *testing.T, store string, n int) (remote *server.Server, js jetstream.JetStream, env []string) {
	t.Helper()
	remote = openRemote(t, store, -1)
	url := remote.ClientURL()
	js = remoteStream(t, url, jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}})
	for i := range n {
		msg := &nats.Msg{
			Subject: "crm.zoho.Deals.edit", Header: nats.Header{"content-type": {"application/cloudevents+json"}},
			Data: fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","type":"crm.zoho.Deals.edit","source":"s","data":{"ids":["%d"],"more":"%s"}}`, i+1, i%7, strings.Repeat("x", 400)),
		}
		if _, err := js.PublishMsgAsync(msg, jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	return remote, js, append(environment(t.TempDir()), "BRIDGE_NATS_URL="+url)
}

func upTo(n int) (all []string) {
	for i := range n {
		all = append(all, strconv.Itoa(i+1))
	}
	return all
}

// Wherever a job that publishes is killed, the same command goes on: in the end each event is there once, and in order. The
// stream that takes them forgets ids at once, so that nothing but the job's own account keeps a second copy out.
func TestReplayToSubjectIsKilled(t *testing.T) {
	t.Parallel()
	const n = 20000
	remote, js, env := filled(t, t.TempDir(), n)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM_REPLAY", Subjects: []string{"crm-replay.>"}, Duplicates: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--to", "subject", "--job", "killed"}
	for kill := range 5 {
		cmd := replayCommand(env, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool {
			info, err := stream.Info(t.Context())
			return err == nil && info.State.Msgs > uint64(1000+3000*kill)
		})
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	r := replay(t, env, args...)
	if r.code != 0 || !strings.Contains(r.out, fmt.Sprintf(`"events":%d`, n)) || strings.Contains(r.out, "duplicates") {
		t.Errorf("ended with %d: %s %s", r.code, r.out, r.errs)
	}
	if diff := cmp.Diff(upTo(n), heldHeaders(t, remote.ClientURL())); diff != "" {
		t.Errorf("%.2000s", diff)
	}
}

// heldHeaders are the sequences that replayed events tell of, in order.
func heldHeaders(t *testing.T, url string) (all []string) {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.OrderedConsumer(t.Context(), "CRM_REPLAY", jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := c.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, msg.Headers()["crm-replay-sequence"][0])
		if meta, err := msg.Metadata(); err != nil || meta.NumPending == 0 {
			return all
		}
	}
}

// An endpoint that answers 503 and 429 and breaks connections gets every event in order, though the job is killed again and
// again; each kill repeats one post at most. Who may only read keeps the job in a file.
func TestReplayOverHTTPIsKilled(t *testing.T) {
	t.Parallel()
	const n, kills = 300, 4
	_, _, env := filled(t, t.TempDir(), n)
	for name, extra := range map[string][]string{"bucket": nil, "file": {"--state", filepath.Join(t.TempDir(), "job")}} {
		endpoint := &endpoint{answer: func(n int) int {
			switch {
			case n == 20:
				return 503
			case n == 41:
				return 429
			case n%50 == 0:
				return -1
			}
			return 0
		}}
		web := httptest.NewServer(endpoint)
		args := append([]string{"--to", web.URL, "--job", name}, extra...)
		for kill := range kills {
			cmd := replayCommand(env, args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, func() bool { return len(endpoint.taken()) > 50*(kill+1) })
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
		}
		r := replay(t, env, args...)
		if r.code != 0 || !strings.Contains(r.out, fmt.Sprintf(`"events":%d`, n)) {
			t.Errorf("%s ended with %d: %s %s", name, r.code, r.out, r.errs)
		}
		var once []string
		repeats := 0
		for _, id := range endpoint.taken() {
			if len(once) > 0 && once[len(once)-1] == id {
				repeats++
				continue
			}
			once = append(once, id)
		}
		if diff := cmp.Diff(upTo(n), once); diff != "" || repeats > kills {
			t.Errorf("%s: %d repeats; %s", name, repeats, diff)
		}
		web.Close()
	}
}

// NATS may go and come back in the middle: every event is on stdout once, and in order.
func TestReplayOutlivesNATS(t *testing.T) {
	t.Parallel()
	const n = 20000
	store := t.TempDir()
	remote, _, env := filled(t, store, n)
	cmd := replayCommand(env)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	var got []string
	for scanner.Scan() {
		var one replayed
		if err := json.Unmarshal(scanner.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		got = append(got, one.Event.ID)
		if len(got) == 3000 || len(got) == 12000 {
			remote.Shutdown()
			remote.WaitForShutdown()
			remote = restart(t, remote.ClientURL(), store)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(upTo(n), got); diff != "" {
		t.Errorf("%.2000s", diff)
	}
}
