package bitrix24_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

const answerTimeout = 5 * time.Second // of a callback, by default

// prove is Prove as the handler calls it.
func prove(t *testing.T, app *bitrix24.Application, event string, from bitrix24.Installation) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
	defer cancel()
	return app.Prove(ctx, event, from)
}

func address(n int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, byte(n >> 8), byte(n)}) }

// genuine is an installation as the portal sends it.
func genuine(w *world, from netip.Addr) bitrix24.Installation {
	_, refresh := w.portal.Grant()
	return bitrix24.Installation{MemberID: member, ApplicationToken: "a-genuine-token", RefreshToken: refresh, From: from}
}

// flood posts made-up installations of the portal for half a minute, as many at once, from the addresses that it is given.
func flood(t *testing.T, w *world, atOnce int, from func(n int) netip.Addr) (wait func()) {
	var all sync.WaitGroup
	end := time.Now().Add(30 * time.Second)
	for stranger := range atOnce {
		all.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				made := bitrix24.Installation{
					MemberID: member, ApplicationToken: "made-up", RefreshToken: fmt.Sprintf("made-up-%d-%d", stranger, n), From: from(stranger),
				}
				if n%2 == 1 {
					made.MemberID = "010b6886ebc205e43ae65000ee00addb" // not configured
				}
				if err := prove(t, w.app, "ONAPPINSTALL", made); !errors.Is(err, ingest.ErrForged) || errors.Is(err, ingest.ErrRetry) {
					t.Errorf("a made-up installation: %v", err)
				}
				time.Sleep(200 * time.Millisecond) // on its way
			}
		})
	}
	return all.Wait
}

// Strangers who post made-up installations, with the member_id of a configured portal, neither keep a genuine one waiting nor make
// it fail, from wherever it comes, and have the OAuth server asked a few times a second at most; what they post is refused as
// forged, so that nothing is repaired for it.
func TestStrangersDoNotStarveAnInstallation(t *testing.T) {
	for name, test := range map[string]struct {
		atOnce int
		from   func(int) netip.Addr
		own    netip.Addr
		most   time.Duration
	}{
		"one address":                          {120, func(int) netip.Addr { return address(1) }, address(2), time.Second},
		"one network of IPv6":                  {120, func(n int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", n+1)) }, address(2), time.Second},
		"a few addresses":                      {120, func(n int) netip.Addr { return address(n % 5) }, address(7), 2 * time.Second},
		"the same address, as behind a proxy":  {15, func(int) netip.Addr { return address(1) }, address(1), answerTimeout},
		"where addresses are not known at all": {15, func(int) netip.Addr { return netip.Addr{} }, netip.Addr{}, answerTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "", false)
				wait := flood(t, w, test.atOnce, test.from)
				for range 2 {
					time.Sleep(12 * time.Second)
					began := time.Now()
					if err := prove(t, w.app, "ONAPPINSTALL", genuine(w, test.own)); err != nil || time.Since(began) > test.most {
						t.Errorf("after %s: %v", time.Since(began), err)
					}
				}
				wait()
				if calls := w.crm.Calls("oauth"); calls > 20+35*5+10 {
					t.Errorf("the OAuth server was asked %d times in half a minute", calls)
				}
			})
		})
	}
}

// A portal whose token is known installs again without waiting behind strangers, wherever they are.
func TestProvenInstallationDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		wait := flood(t, w, 120, func(n int) netip.Addr { return address(n) })
		time.Sleep(20 * time.Second)
		again := genuine(w, address(1))
		again.ApplicationToken = w.portal.ApplicationToken()
		began := time.Now()
		if err := prove(t, w.app, "ONAPPINSTALL", again); err != nil || time.Since(began) > time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		wait()
	})
}

// What was shown to the OAuth server is not shown to it again, and is answered as before.
func TestRepeatedInstallations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "", false)
		made := bitrix24.Installation{MemberID: member, ApplicationToken: "made-up", RefreshToken: "made-up", From: address(1)}
		for range 1000 {
			if err := prove(t, w.app, "ONAPPINSTALL", made); !errors.Is(err, ingest.ErrForged) {
				t.Fatal(err)
			}
		}
		if calls := w.crm.Calls("oauth"); calls != 1 {
			t.Errorf("asked %d times", calls)
		}
		from := genuine(w, address(2))
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := prove(t, w.app, "ONAPPINSTALL", from); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if calls := w.crm.Calls("oauth"); calls != 2 {
			t.Errorf("asked %d times", calls)
		}
	})
}

// The answer of an OAuth server that is too busy is not a verdict, whatever words it uses.
func TestBusyOAuthServerIsNoVerdict(t *testing.T) {
	for _, status := range []int{429, 500, 503} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "", false)
			from := genuine(w, address(1))
			w.crm.Refuse("oauth", 3, status, "QUERY_LIMIT_EXCEEDED", "Too many requests")
			if err := w.app.Install(t.Context(), from); !errors.Is(err, ingest.ErrRetry) || errors.Is(err, ingest.ErrForged) {
				t.Errorf("%d: %v", status, err)
			}
			if err := w.app.Install(t.Context(), from); err != nil {
				t.Errorf("%d, the second time: %v", status, err)
			}
		})
	}
}

// Strangers who post made-up tokens have the store read ten times a second at most, and a token that another replica has just
// learnt proves its callbacks all the same.
func TestLooksAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		other := w.replica(t, "", false)
		if !other.Proves(t.Context(), member, w.portal.ApplicationToken()) {
			t.Fatal("not installed")
		}
		before, began := w.secret.loads, time.Now()
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				for range 50 {
					if prove(t, other, "ONCRMDEALADD", bitrix24.Installation{MemberID: member, ApplicationToken: "made-up"}) == nil {
						t.Error("proven")
					}
				}
			})
		}
		time.Sleep(time.Second)
		if status := w.portal.Update(handler); status != 200 {
			t.Fatal(status)
		}
		asked := time.Now()
		if !other.Proves(t.Context(), member, w.portal.ApplicationToken()) || time.Since(asked) > 300*time.Millisecond {
			t.Errorf("after %s what another replica learnt proves nothing", time.Since(asked))
		}
		all.Wait()
		if looks, most := w.secret.loads-before, int(time.Since(began)/(100*time.Millisecond))+10; looks > most || looks < 10 {
			t.Errorf("the store was read %d times in %s", looks, time.Since(began))
		}
	})
}

// Over HTTP the sender is whoever a trusted proxy names: its strangers get 401, no repair begins for them, and a genuine
// installation through the same proxy is answered at once.
func TestStrangersBehindAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "", false)
		source, err := openEvents(ingest.Setup{Env: func(any) error { return nil }, MadeSecret: func(string) (string, error) { return "", nil }})
		if err != nil {
			t.Fatal(err)
		}
		source.(*bitrix24.Events).Installations = w.app.Installations
		missed := 0
		bridge := (&receive.Handler{
			Sources: []ingest.Source{source},
			MaxBody: 1 << 20, MaxInFlight: 1000, AnswerTimeout: answerTimeout, TrustedProxies: ingest.Networks{netip.MustParsePrefix("10.0.0.0/8")},
			Missed: func(string, string, time.Time) { missed++ }, Log: slog.New(slog.DiscardHandler), Metrics: receive.NewMetrics(prometheus.NewRegistry()),
		}).HTTP()
		post := func(from, refresh string) int {
			form := url.Values{"event": {"ONAPPINSTALL"}, "auth[member_id]": {member}, "auth[application_token]": {"a-token"}, "auth[refresh_token]": {refresh}}
			request := httptest.NewRequest(http.MethodPost, handler, strings.NewReader(form.Encode()))
			request.RemoteAddr = "10.1.2.3:4567"
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header.Set("X-Forwarded-For", from)
			answer := httptest.NewRecorder()
			bridge.ServeHTTP(answer, request)
			return answer.Code
		}
		var all sync.WaitGroup
		for n := range 150 {
			all.Go(func() {
				if status := post("203.0.113.9", fmt.Sprint("made-up-", n)); status != http.StatusUnauthorized {
					t.Errorf("a stranger is answered %d", status)
				}
			})
		}
		time.Sleep(time.Second)
		began := time.Now()
		if status := post("198.51.100.7", genuine(w, netip.Addr{}).RefreshToken); status != http.StatusOK || time.Since(began) > time.Second {
			t.Errorf("a genuine installation is answered %d after %s", status, time.Since(began))
		}
		if all.Wait(); missed != 0 {
			t.Errorf("%d of what strangers sent is to be repaired", missed)
		}
	})
}

// A callback that a configured token proves is taken while the store of learnt tokens is away.
func TestConfiguredTokenNeedsNoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "", false)
		w.app.Client.State.Secret = away{}
		events := &bitrix24.Events{Tokens: ingest.Tokens{member: {"configured"}}, Installations: w.app.Installations}
		for token, want := range map[string]error{"configured": nil, "another": ingest.ErrRetry} {
			body := url.Values{"event": {"ONCRMDEALADD"}, "auth[member_id]": {member}, "auth[application_token]": {token}}.Encode()
			if err := events.Verify(t.Context(), ingest.Callback{Method: http.MethodPost, Body: []byte(body)}); !errors.Is(err, want) {
				t.Errorf("%s: %v", token, err)
			}
		}
	})
}

// away is a store that cannot be reached.
type away struct{}

func (away) Load(context.Context, string) ([]byte, uint64, error) { return nil, 0, errors.New("away") }

func (away) Save(context.Context, string, []byte, uint64) (uint64, error) {
	return 0, errors.New("away")
}
