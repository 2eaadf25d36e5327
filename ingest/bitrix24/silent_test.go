package bitrix24_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24/bitrix24test"
)

// hanging is a wire on which one portal does not answer while it is down.
type hanging struct {
	wire
	portal *bitrix24test.Portal
	down   bool
}

func (h *hanging) RoundTrip(request *http.Request) (*http.Response, error) {
	if h.down && strings.HasPrefix(request.URL.Path, "/"+h.portal.Domain+"/") {
		_, _ = io.Copy(io.Discard, request.Body)
		<-request.Context().Done()
		return nil, request.Context().Err()
	}
	return h.wire.RoundTrip(request)
}

// A portal that does not answer keeps the others waiting for half a minute once, for ten seconds now and then, and otherwise not at all.
// When it answers again, nothing of it is lost.
func TestSilentPortal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := newWorld(t, "Deal.edit", true), newTaken(t)
		const other = "b00b5b10f85df22e9377d6c4f75530ff"
		way := &hanging{wire: wire{w.crm}, portal: w.crm.Portal(other)}
		var config bitrix24.Config
		c := &config.Bitrix24
		c.ClientID, c.ClientSecret, c.Portals, c.Offline, c.OauthURL = w.crm.ClientID, w.crm.ClientSecret, ingest.AccountIDs{member, other}, true, oauthURL
		if err := c.Events.Decode("Deal.edit"); err != nil {
			t.Fatal(err)
		}
		app, err := bitrix24.NewApplication(config, bridgeURL, w.state(), &http.Client{Transport: way}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		w.app = app
		for _, portal := range []*bitrix24test.Portal{w.portal, way.portal} {
			if status := portal.Install(handler); status != http.StatusOK {
				t.Fatalf("the installation was answered %d", status)
			}
		}
		drain := func() time.Duration {
			w.portal.Enqueue("ONCRMDEALUPDATE", map[string]string{"ID": "1"})
			began := time.Now()
			_ = app.Drain(t.Context(), w.state(), k.accept, nil)
			if w.portal.Queued() != 0 {
				t.Error("the queue of the other portal was not emptied")
			}
			return time.Since(began)
		}
		if took := drain(); took > time.Second {
			t.Fatalf("it took %s while both answered", took)
		}
		way.portal.Enqueue("ONCRMDEALUPDATE", map[string]string{"ID": "2"})
		way.down = true
		if took := drain(); took > 30*time.Second {
			t.Errorf("when one did not answer, the first turn took %s", took)
		}
		var waited time.Duration
		for began := time.Now(); time.Since(began) < time.Hour; time.Sleep(15 * time.Second) {
			took := drain()
			if waited += took; took > 10*time.Second {
				t.Errorf("a later turn took %s", took)
			}
		}
		if waited > 2*time.Minute {
			t.Errorf("within an hour the other portal waited for %s", waited)
		}
		way.down = false
		time.Sleep(15 * time.Minute)
		if drain(); way.portal.Queued() != 0 {
			t.Error("what waited in the silent portal was not read")
		}
	})
}

// A check that nobody asked for, before its time, calls no portal; an installation has its own portal checked at once.
func TestOnlyDuePortalsAreCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "Deal.edit", false)
		watch(t, w)
		calls := w.crm.Calls("event.get")
		if watched := watch(t, w); w.crm.Calls("event.get") != calls || watched.Channels[0].State != "active" || time.Until(watched.Next) > time.Hour {
			t.Errorf("%d calls, %+v", w.crm.Calls("event.get")-calls, watched)
		}
		w.portal.ForgetHandlers(func(string) bool { return true })
		if status := w.portal.Install(handler); status != http.StatusOK {
			t.Fatalf("the installation was answered %d", status)
		}
		if watch(t, w); w.crm.Calls("event.get") != calls+1 || len(w.portal.Bound()) == 0 {
			t.Errorf("after an installation %d calls, bound are %v", w.crm.Calls("event.get")-calls, w.portal.Bound())
		}
		if err := w.app.Renew(context.Background(), w.state(), member); err != nil {
			t.Fatal(err)
		}
		if watch(t, w); w.crm.Calls("event.get") != calls+2 {
			t.Errorf("after channels renew %d calls", w.crm.Calls("event.get")-calls)
		}
		time.Sleep(time.Hour)
		if watch(t, w); w.crm.Calls("event.get") < calls+3 {
			t.Error("after an hour it is not checked")
		}
	})
}
