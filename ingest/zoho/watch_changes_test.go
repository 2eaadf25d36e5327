package zoho_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// A person disables channels for as long as he likes, and enables them again; that is no gap.
func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		c := channels(t, crm, "v8", state, "Deals.all,Contacts.all")
		watch(t, c, state)
		list, err := c.Disable(t.Context(), state, "Deals")
		if err != nil || list[0].State != "disabled" || len(crm.Live()) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		time.Sleep(30 * time.Hour)
		if watched := watch(t, c, state); len(crm.Live()) != 1 || len(watched.Gaps) != 0 {
			t.Error("enabled by itself")
		}
		if list, err = c.Enable(t.Context(), state); err != nil || list[0].State != "active" || len(crm.Live()) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		expires := crm.Live()[0].Expires
		time.Sleep(time.Hour)
		if _, err = c.Renew(t.Context(), state); err != nil || !crm.Live()[0].Expires.After(expires) {
			t.Errorf("not renewed: %v", err)
		}
		if watched := watch(t, c, state); len(watched.Gaps) != 0 {
			t.Errorf("gaps: %v", watched.Gaps)
		}
		if _, err = c.Renew(t.Context(), state, "Ghosts"); err == nil || !strings.Contains(err.Error(), "BRIDGE_ZOHO_EVENTS") {
			t.Errorf("a module that is not wanted: %v", err)
		}
	})
}

// A disabled channel is not renewed without a word, nor enabled by that; the others are renewed all the same.
func TestRenewOfADisabledChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		c := channels(t, crm, "v8", state, "Deals.all,Contacts.all")
		watch(t, c, state)
		if _, err := c.Disable(t.Context(), state, "Deals"); err != nil {
			t.Fatal(err)
		}
		before := crm.Live()[0].Expires
		time.Sleep(time.Hour)
		if _, err := c.Renew(t.Context(), state, "Deals"); err == nil || !strings.Contains(err.Error(), "enable") {
			t.Errorf("one that is named: %v", err)
		}
		if list, err := c.Renew(t.Context(), state); err != nil || list[0].State != "disabled" || len(crm.Live()) != 1 || !crm.Live()[0].Expires.After(before) {
			t.Errorf("all: %+v, %v", list, err)
		}
		if _, err := c.Disable(t.Context(), state); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Renew(t.Context(), state); err == nil || !strings.Contains(err.Error(), "enable") || len(crm.Live()) != 0 {
			t.Errorf("all are disabled: %v", err)
		}
	})
}

// While replicas are replaced by others that want more, an old one may drop what a new one has enabled: that is a gap.
// What nobody wanted for longer is none.
func TestDroppedModule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		newer := func() *zoho.Channels { return channels(t, crm, "v8", state, "Deals.all,Contacts.all") }
		older := func() *zoho.Channels { return channels(t, crm, "v8", state, "Deals.all") }
		watch(t, newer(), state)
		time.Sleep(time.Minute)
		if watch(t, older(), state); len(crm.Live()) != 1 {
			t.Fatal("not dropped")
		}
		time.Sleep(time.Minute)
		if watched := watch(t, newer(), state); len(watched.Gaps) != 1 || watched.Gaps[0].Module != "Contacts" || len(crm.Live()) != 2 {
			t.Errorf("gaps: %v", watched.Gaps)
		}
		watch(t, older(), state)
		time.Sleep(2 * time.Hour)
		if watched := watch(t, newer(), state); len(watched.Gaps) != 0 || len(crm.Live()) != 2 {
			t.Errorf("gaps: %v", watched.Gaps)
		}
	})
}

// Two replicas that are at work at once find out, and lose no gap.
func TestTwoAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		one, two := channels(t, crm, "v8", state, "Deals.all,Contacts.all"), channels(t, crm, "v8", state, "Deals.all,Contacts.all")
		watch(t, one, state)
		time.Sleep(30 * time.Hour)
		crm.Kill("")
		told := map[string]bool{}
		for range 5 {
			var both sync.WaitGroup
			var gaps [2][]ingest.Gap
			for i, c := range []*zoho.Channels{one, two} {
				both.Go(func() {
					watched, err := watchOnce(t.Context(), c, state)
					if err != nil && !errors.Is(err, ingest.ErrConflict) {
						t.Error(err)
					}
					gaps[i] = watched.Gaps
				})
			}
			both.Wait()
			for _, gap := range append(gaps[0], gaps[1]...) {
				told[gap.Module] = true
			}
			time.Sleep(time.Minute)
		}
		if len(told) != 2 || len(crm.Live()) != 2 {
			t.Errorf("told of %v, alive %d", told, len(crm.Live()))
		}
	})
}

// A channel whose time was over, and which a renewal brought back, was not alive all the time.
func TestRevivedChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		crm.Revives = true
		c := channels(t, crm, "v2", state, "Deals.all")
		watch(t, c, state)
		if time.Sleep(25 * time.Hour); len(crm.Live()) > 0 {
			t.Fatal("still alive")
		}
		if _, err := c.Renew(t.Context(), state); err != nil {
			t.Fatal(err)
		}
		if watched := watch(t, c, state); len(watched.Gaps) != 1 || len(crm.Live()) != 1 {
			t.Errorf("gaps: %v", watched.Gaps)
		}
	})
}

// An expiry that Zoho finds too far away, or makes an hour of, is asked for shorter.
func TestShorterExpiries(t *testing.T) {
	for _, strict := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			crm, state := newCRM(), ingesttest.State()
			crm.Strict, crm.Longest = strict, 24*time.Hour
			watched := watch(t, channels(t, crm, "v8", state, "Deals.all"), state)
			if left := crm.Live()[0].Expires.Sub(crm.Now()); left < 20*time.Hour {
				t.Errorf("strict %t: alive for %s", strict, left)
			}
			if expires := watched.Channels[0].Expires; !expires.Equal(crm.Live()[0].Expires) {
				t.Errorf("believes %s", expires)
			}
		})
	}
}

// Channels that other bridges and people have in the same org, hundreds of them, are listed page by page and left alone.
func TestForeignChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		for i := range 450 {
			crm.Modules = append(crm.Modules, fmt.Sprintf("CustomModule%d", i))
		}
		foreign := channels(t, crm, "v8", ingesttest.State(), strings.Join(crm.Modules, ".all,")+".all")
		foreign.Account = "another"
		watch(t, foreign, foreign.Client.State)
		crm.Requests()
		watch(t, channels(t, crm, "v8", state, "CustomModule7.all"), state)
		pages := 0
		for _, request := range crm.Requests() {
			if request == "GET /crm/v8/actions/watch" {
				pages++
			}
		}
		if len(crm.Live()) != 451 || pages != 3 {
			t.Errorf("%d channels after %d pages", len(crm.Live()), pages)
		}
	})
}

// A channel's id is the same everywhere, is a long without a sign, and is another for another secret, account or module.
func TestChannelID(t *testing.T) {
	ids := map[string]bool{}
	for _, parts := range [][3]string{{"s", "a", "Deals"}, {"t", "a", "Deals"}, {"s", "b", "Deals"}, {"s", "a", "Contacts"}, {"s", "a\nDeals", ""}} {
		id := zoho.ChannelID(parts[0], parts[1], parts[2])
		if n, err := strconv.ParseInt(id, 10, 64); err != nil || n <= 0 || len(id) != 18 || id != zoho.ChannelID(parts[0], parts[1], parts[2]) {
			t.Errorf("%q: %s", parts, id)
		}
		ids[id] = true
	}
	if len(ids) != 5 {
		t.Errorf("%d ids", len(ids))
	}
	if id := zoho.ChannelID("secret", "default", "Deals"); id != "239202661989565502" {
		t.Errorf("the id that running bridges have is another now: %s", id)
	}
}

// A channel that Zoho, or whoever sells it under another name, lets live for minutes only is kept alive: it is renewed in time,
// and no moment of it is a gap, whatever the clocks say, also where answers have no Date.
func TestShortLives(t *testing.T) {
	for name, prepare := range map[string]func(crm *zohotest.CRM){
		"an hour":                      func(crm *zohotest.CRM) { crm.Grants = time.Hour },
		"three minutes":                func(crm *zohotest.CRM) { crm.Grants = 3 * time.Minute },
		"thirty seconds":               func(crm *zohotest.CRM) { crm.Grants = 30 * time.Second },
		"three minutes, without Date":  func(crm *zohotest.CRM) { crm.Grants, crm.NoDate = 3*time.Minute, true },
		"more than 30 minutes refused": func(crm *zohotest.CRM) { crm.Longest, crm.Strict = 30*time.Minute, true },
		"more than 3 minutes refused":  func(crm *zohotest.CRM) { crm.Longest, crm.Strict = 3*time.Minute, true },
		"another clock":                func(crm *zohotest.CRM) { crm.Grants = 3 * time.Minute; crm.SetSkew(-10 * time.Hour) },
	} {
		for _, version := range []zoho.Version{"v2", "v8"} {
			t.Run(name+" "+string(version), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					crm, state := newCRM(), ingesttest.State()
					prepare(crm)
					c := channels(t, crm, version, state, "Deals.all")
					begin, requests := crm.Now(), 0
					for end := time.Now().Add(3 * time.Hour); time.Now().Before(end); {
						watched := watch(t, c, state)
						if len(watched.Gaps) > 0 || watched.Channels[0].State != "active" {
							t.Fatalf("after %s: %+v", crm.Now().Sub(begin), watched)
						}
						time.Sleep(max(time.Until(watched.Next), 5*time.Second)) // as often as a Keeper looks
						requests += len(crm.Requests())
					}
					lives := crm.Lives("Deals", "edit")
					if len(lives) != 1 || lives[0].From.After(begin.Add(time.Second)) || lives[0].To.Before(crm.Now()) {
						t.Errorf("it was alive in %+v", lives)
					}
					if renewals := int(3 * time.Hour / max(crm.Live()[0].Expires.Sub(crm.Now())/3, 10*time.Second)); requests > 3*renewals+20 {
						t.Errorf("%d requests", requests)
					}
				})
			})
		}
	}
}
