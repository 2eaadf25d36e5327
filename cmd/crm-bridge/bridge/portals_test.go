package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24/bitrix24test"
	"github.com/crm-bridge/crm-bridge/test/ports"
)

// portals are a bridge with many portals, the fake that they live in, and one portal that may hang.
type portals struct {
	*Bridge
	crm     *bitrix24test.CRM
	members []string // one more than has the application installed
	url     string
	hangs   atomic.Pointer[bitrix24test.Portal]
	calls   atomic.Int64
}

func openPortals(t *testing.T) *portals {
	t.Helper()
	p := &portals{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.calls.Add(1)
		if one := p.hangs.Load(); one != nil && strings.HasPrefix(r.URL.Path, "/"+one.Domain+"/") {
			_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that the client has gone
			<-r.Context().Done()
			return
		}
		p.crm.ServeHTTP(w, r)
	}))
	p.crm = bitrix24test.New("http://" + server.Listener.Addr().String())
	p.crm.Callbacks = http.DefaultClient
	server.Start()
	t.Cleanup(server.Close)
	many := 1000
	if testing.Short() {
		many = 100
	}
	for i := range many + 1 {
		p.members = append(p.members, fmt.Sprintf("%032x", i+1))
		p.crm.Portal(p.members[i])
	}
	port := freeAddress(t)
	for name, value := range map[string]string{
		"CLIENT_ID": p.crm.ClientID, "CLIENT_SECRET": p.crm.ClientSecret, "PORTALS": strings.Join(p.members, ","), "OAUTH_URL": p.crm.URL,
		"EVENTS": "Deal.create,Deal.edit", "OFFLINE": "true",
	} {
		t.Setenv("BRIDGE_BITRIX24_"+name, value)
	}
	settings, err := config.Load(&config.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	settings.DataDir, settings.Listen, settings.AdminListen, settings.NATS.Listen = t.TempDir(), port, "127.0.0.1:0", "127.0.0.1:0"
	if p.Bridge, err = Open(t.Context(), settings, []Opener{bitrix24.Open}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	p.url = "http://" + port + "/bitrix24/events"
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := ports.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// install stores the credentials of all portals but the last, as their installations left them.
func (p *portals) install(t *testing.T) {
	t.Helper()
	next := make(chan string)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for member := range next {
				portal := p.crm.Portal(member)
				access, refresh := portal.Grant()
				raw, err := json.Marshal(map[string]any{
					"access_token": access, "refresh_token": refresh, "expires": time.Now().Add(time.Hour), "endpoint": portal.Endpoint, "application_token": "application-token-of-" + member,
				})
				if err == nil {
					_, err = p.Keeper.State.Secret.Save(t.Context(), "bitrix24.credentials."+member, raw, 0)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, member := range p.installed() {
		next <- member
	}
	close(next)
	all.Wait()
}

// installed are the members of the portals that have the application installed at the start.
func (p *portals) installed() []string { return p.members[:len(p.members)-1] }

// run runs the bridge until the test ends.
func (p *portals) run(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		p.Close()
	})
}

// until waits until is reports true, and returns how long that took.
func until(t *testing.T, what string, most time.Duration, is func() bool) time.Duration {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		switch took := time.Since(began); {
		case is():
			return took
		case took > most:
			t.Fatalf("%s took more than %s", what, most)
		}
	}
}

// active is how many portals have their events bound.
func (p *portals) active(t *testing.T) (n int) {
	channels, err := p.Keeper.Channels(t.Context(), p.Keeper.CRMs[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, channel := range channels {
		if channel.State == "active" {
			n++
		}
	}
	return n
}

// queued is how many events wait in the queues of portals.
func (p *portals) queued() (n int) {
	for _, member := range p.members {
		n += p.crm.Portal(member).Queued()
	}
	return n
}

// values returns the size of the largest value of the shared state, its key, how many there are, and their size together.
func (p *portals) values(t *testing.T) (largest int, key string, n, total int) {
	state, err := p.Store.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"bitrix24.", "channels.", "repairs."} {
		values, err := state.List(t.Context(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range values {
			n, total = n+1, total+len(value.Value)
			if len(value.Value) > largest {
				largest, key = len(value.Value), name
			}
		}
	}
	return largest, key, n, total
}

// saves returns how often the shared state was changed.
func (p *portals) saves(t *testing.T) uint64 {
	_, revision, err := p.Keeper.State.Shared.Load(t.Context(), "probe")
	if err == nil {
		revision, err = p.Keeper.State.Shared.Save(t.Context(), "probe", []byte("x"), revision)
	}
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A thousand portals are bound in seconds, cost little memory and small values, and one more is installed without a call of the others.
// One that hangs keeps none waiting.
func TestManyPortals(t *testing.T) {
	before := heap()
	p := openPortals(t)
	many := len(p.installed())
	p.install(t)
	opened := heap()
	p.run(t)
	took := until(t, "binding the events of all portals", time.Minute, func() bool { return p.active(t) == many })
	t.Logf("%d portals are bound after %s, with %d calls; the heap grew by %d KiB, of which %d KiB before the start", many, took, p.calls.Load(), (heap()-before)>>10, (opened-before)>>10)
	largest, key, n, total := p.values(t)
	t.Logf("%d values of %d KiB; the largest is %s, %d bytes", n, total>>10, key, largest)
	if largest > 128<<10 {
		t.Errorf("%s has %d bytes", key, largest)
	}

	p.hangs.Store(p.crm.Portal(p.members[17]))
	for _, member := range p.installed() {
		p.crm.Portal(member).Enqueue("ONCRMDEALUPDATE", map[string]string{"ID": "1"})
	}
	took = until(t, "emptying the queues of all others", time.Minute, func() bool { return p.queued() == 1 })
	t.Logf("while one portal hangs, an event of each of the others is stored after %s", took)

	got, saves := p.crm.Calls("event.get"), p.saves(t)
	last := p.crm.Portal(p.members[many])
	if status := last.Install(p.url); status != http.StatusOK {
		t.Fatalf("the installation was answered %d", status)
	}
	took = until(t, "binding the events of one more", time.Minute, func() bool { return p.active(t) == many+1 })
	got, saves = p.crm.Calls("event.get")-got, p.saves(t)-saves
	t.Logf("one more portal is bound after %s, with %d calls of event.get and %d changes of the state", took, got, saves)
	if got > 3 || saves > 30 { // a check of the installed portal, and what the bridge stores every five seconds
		t.Errorf("%d calls of event.get and %d changes of the state for one installation", got, saves)
	}
}
