package replay

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// bench is a server with events, and what runs jobs beside them.
type bench struct {
	*testing.T
	server *embedded.Server
	conn   *publish.Conn
}

// openBench returns a server whose stream holds so many events.
func openBench(t *testing.T, events int) *bench {
	server, conn := publishtest.Open(t, nil)
	publisher := publishtest.Publisher(conn)
	for i := range events {
		if _, err := publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event(fmt.Sprint(i + 1))}); err != nil {
			t.Fatal(err)
		}
	}
	return &bench{t, server, conn}
}

// runner returns a Runner that works, and what ends it.
func (b *bench) runner() (r *Runner, end func()) {
	place := func(conn *publish.Conn, err error) (*Place, error) {
		if err != nil {
			return nil, err
		}
		state := &publish.Bucket{Name: "CRM_STATE", Replicas: 1, Reach: func() (*publish.Conn, error) { return conn, nil }}
		stream := publishtest.Stream("CRM_REPLAY", "crm-replay.>")
		stream.Duplicates = 500 * time.Millisecond
		return &Place{Conn: conn, State: state, Prefix: "crm", Stream: stream, Warn: func(string) {}}, nil
	}
	r = &Runner{Stream: "CRM", Prefix: "crm", Log: publishtest.Log}
	r.Open = func(context.Context) (*Place, error) { return place(b.server.Connect()) }
	r.Look = func() (*Place, error) { return place(b.conn, nil) }
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	end = func() {
		cancel()
		running.Wait()
	}
	b.Cleanup(end)
	for began := false; !began; {
		_, err := r.room()
		began = err == nil
	}
	return r, end
}

func (b *bench) start(r *Runner, o Order) string {
	b.Helper()
	name, err := r.Start(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	return name
}

// status returns the job of a name as it is listed; nil: it is not.
func (b *bench) status(r *Runner, name string) *Status {
	b.Helper()
	all, err := r.List(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, one := range all {
		if one.Name == name {
			return &one
		}
	}
	return nil
}

// await returns when a job is in a state.
func (b *bench) await(r *Runner, name string, state State) *Status {
	b.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		one := b.status(r, name)
		if one != nil && one.State == state {
			return one
		}
		if time.Now().After(end) {
			b.Fatalf("job %s is %+v, not %s", name, one, state)
		}
	}
}

// posts is an endpoint that notes the ids of events, and asks wait before it answers.
func (b *bench) posts(wait func(n int)) (*url.URL, func() []string) {
	var mu sync.Mutex
	var ids []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		ids = append(ids, r.Header.Get("Ce-Id"))
		n := len(ids)
		mu.Unlock()
		wait(n)
	}))
	b.Cleanup(server.Close)
	to, err := ParseEndpoint(server.URL + "/events?key=secret")
	if err != nil {
		b.Fatal(err)
	}
	return to, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(ids)
	}
}

func ids(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}
