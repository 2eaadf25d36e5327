package zoho_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// In every version the wanted channels are enabled with a token, a notify URL and the longest expiry, are renewed at two
// thirds of it, and never leave a gap.
func TestChannelsOfEveryVersionAreKeptAlive(t *testing.T) {
	for _, version := range everyVersion {
		t.Run(string(version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				crm, state := newCRM(), ingesttest.State()
				c := channels(t, crm, version, state, "Deals.all,Contacts.create")
				watched := watch(t, c, state)
				if len(watched.Channels) != 2 || watched.Channels[0].State != "active" || watched.Channels[1].State != "active" {
					t.Fatalf("channels: %+v", watched.Channels)
				}
				longest := 24 * time.Hour
				if version >= "v4" {
					longest *= 7
				}
				for _, live := range crm.Live() {
					if live.Token != zoho.ChannelToken(tokenSecret, live.ID) || live.NotifyURL != zoho.NotifyURL("https://crm.example", tokenSecret, live.ID) || live.Related {
						t.Errorf("channel is %+v", live)
					}
					if left := time.Until(live.Expires); left < longest-2*time.Hour || left > longest {
						t.Errorf("expires in %s", left)
					}
					if live.Values != (version >= "v3") {
						t.Errorf("values of changed fields: %t", live.Values)
					}
				}
				for _, one := range watched.Channels {
					if life := one.Expires.Sub(one.Granted); life < longest-2*time.Hour || life > longest {
						t.Errorf("%s was granted %s", one.ID, life)
					}
				}
				begin := crm.Now()
				for time.Since(begin) < 30*24*time.Hour {
					time.Sleep(time.Until(watched.Next))
					if watched = watch(t, c, state); len(watched.Gaps) > 0 {
						t.Fatalf("gaps after %s: %v", time.Since(begin), watched.Gaps)
					}
				}
				for _, event := range []string{"Deals create", "Deals edit", "Deals delete", "Contacts create"} {
					module, operation, _ := strings.Cut(event, " ")
					lives := crm.Lives(module, operation)
					if len(lives) != 1 || lives[0].From.After(begin) || lives[0].To.Before(crm.Now()) {
						t.Errorf("%s was heard in %v", event, lives)
					}
				}
				if len(crm.Lives("Contacts", "edit")) > 0 {
					t.Error("what is not wanted is subscribed")
				}
			})
		})
	}
}

// A channel that dies is enabled again, and the time from its last sign of life is noted as a gap: once, and by the next process
// if it could not be noted before this one died.
func TestLapseIsNotedOnce(t *testing.T) {
	for _, version := range []zoho.Version{"v2", "v3", "v8"} {
		synctest.Test(t, func(t *testing.T) {
			crm, state := newCRM(), ingesttest.State()
			c := channels(t, crm, version, state, "Deals.all")
			watched := watch(t, c, state)
			proven := crm.Now()
			time.Sleep(2 * time.Hour)
			crm.Kill("")
			time.Sleep(time.Until(watched.Next))
			if _, err := c.Watch(t.Context(), state, func(ingest.Gap) error { return errors.New("died") }); err == nil || !strings.Contains(err.Error(), "died") {
				t.Errorf("a gap that could not be noted: %v", err)
			}
			watched = watch(t, channels(t, crm, version, state, "Deals.all"), state)
			if len(watched.Gaps) != 1 {
				t.Fatalf("gaps: %v", watched.Gaps)
			}
			gap := watched.Gaps[0]
			if gap.Module != "Deals" || gap.Account != "default" || gap.Since.After(proven.Add(-4*time.Minute)) || gap.Until.Before(crm.Now()) || gap.Until.After(crm.Now().Add(2*time.Second)) {
				t.Errorf("gap %+v, last sign of life %s, alive again %s", gap, proven, crm.Now())
			}
			if watched = watch(t, c, state); len(watched.Gaps) != 0 {
				t.Errorf("noted again: %v", watched.Gaps)
			}
			if again := watch(t, channels(t, crm, version, state, "Deals.all"), state); len(again.Gaps) != 0 {
				t.Errorf("noted again by another process: %v", again.Gaps)
			}
		})
	}
}

// An error inside a 202 is an error: the channel is refused, and the error says why without showing a secret.
func TestErrorsInsideSuccess(t *testing.T) {
	for _, version := range everyVersion {
		synctest.Test(t, func(t *testing.T) {
			crm, state := newCRM(), ingesttest.State()
			c := channels(t, crm, version, state, "Deals.all,Ghosts.all")
			watched, err := watchOnce(t.Context(), c, state)
			if err == nil || !strings.Contains(err.Error(), "channel of Ghosts") || !strings.Contains(err.Error(), "INVALID_DATA (events)") {
				t.Fatalf("%s: %v", version, err)
			}
			checkNoSecret(t, crm, err.Error())
			if watched.Channels[0].State != "active" || watched.Channels[1].State != "refused" || watched.Channels[1].Problem == "" {
				t.Errorf("channels: %+v", watched.Channels)
			}
			if time.Until(watched.Next) > time.Minute {
				t.Errorf("next in %s", time.Until(watched.Next))
			}
		})
	}
}

// The bridge adopts its own channels, puts right what is not as wanted, disables those it does not want any more, and
// leaves those of others alone.
func TestOwnChannelsAreAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		foreign := channels(t, crm, "v8", ingesttest.State(), "Deals.all")
		foreign.Secrets = ingest.SecretList{"somebody-else's-secret"}
		watch(t, foreign, foreign.Client.State)
		watch(t, channels(t, crm, "v8", state, "Deals.create,Contacts.all"), state)
		crm.Requests()
		time.Sleep(time.Hour)

		lost := ingesttest.State()
		c := channels(t, crm, "v8", lost, "Deals.all")
		watched := watch(t, c, lost)
		if len(watched.Gaps) > 0 {
			t.Errorf("gaps: %v", watched.Gaps)
		}
		for _, request := range crm.Requests() {
			if strings.HasPrefix(request, "POST /crm") {
				t.Error("enabled a channel that was alive")
			}
		}
		var found []string
		for _, live := range crm.Live() {
			found = append(found, strings.Join(live.Events, " "))
			if live.ID == zoho.ChannelID(tokenSecret, "default", "Contacts") {
				t.Error("Contacts are still subscribed")
			}
		}
		if len(found) != 2 || found[0] != "Deals.create Deals.delete Deals.edit" || found[1] != found[0] {
			t.Errorf("channels: %q", found)
		}
	})
}

// A rotated secret gives new channels, without a gap; the old ones are disabled when the new ones are alive.
func TestRotatedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		watch(t, channels(t, crm, "v8", state, "Deals.all"), state)
		time.Sleep(time.Hour)
		c := channels(t, crm, "v8", state, "Deals.all")
		c.Secrets = ingest.SecretList{"the-newer-secret", tokenSecret}
		watched := watch(t, c, state)
		live := crm.Live()
		if len(live) != 1 || live[0].ID != zoho.ChannelID("the-newer-secret", "default", "Deals") || len(watched.Gaps) > 0 {
			t.Errorf("live %+v, gaps %v", live, watched.Gaps)
		}
		if lives := crm.Lives("Deals", "edit"); lives[0].To.Before(lives[1].From) {
			t.Errorf("a hole between %v", lives)
		}
	})
}

// An answer that is lost does not hide a lapse.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		c := channels(t, crm, "v8", state, "Deals.all")
		watch(t, c, state)
		time.Sleep(30 * time.Minute) // the access token is still good
		crm.Kill("")
		// The list shows that it is dead; the answer to the POST is lost, and the process ends.
		c = channels(t, crm, "v8", state, "Deals.all")
		crm.Fail(zohotest.Failure{Status: 0}, zohotest.ZohoLost)
		if watched, err := watchOnce(t.Context(), c, state); err == nil || len(watched.Gaps) > 0 {
			t.Fatalf("gaps %v, %v", watched.Gaps, err)
		}
		if len(crm.Live()) != 1 {
			t.Fatal("the POST did nothing")
		}
		if watched := watch(t, channels(t, crm, "v8", state, "Deals.all"), state); len(watched.Gaps) != 1 {
			t.Errorf("gaps: %v", watched.Gaps)
		}
	})
}

// A state that cannot be saved stops the work, and a gap is remembered until it is noted.
func TestStateThatCannotBeSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		c := channels(t, crm, "v8", state, "Deals.all")
		watch(t, c, state)
		crm.Kill("")
		time.Sleep(25 * time.Hour)
		for fails := 1; ; fails++ {
			shared := &ingesttest.FailingMemory{}
			copyState(t, state.Shared, shared, "zoho.channels.default")
			flaky := ingest.State{Shared: &afterwards{FailingMemory: shared, good: fails}, Secret: state.Secret}
			watched, err := watchOnce(t.Context(), channels(t, crm, "v8", flaky, "Deals.all"), flaky)
			if err == nil {
				if len(watched.Gaps) != 1 || fails < 3 {
					t.Errorf("with %d good calls: %v", fails, watched.Gaps)
				}
				return
			}
			if len(watched.Gaps) > 0 && !strings.Contains(shared.Dump(), `"gaps"`) {
				t.Errorf("with %d good calls it noted %v", fails, watched.Gaps)
			}
			crm.Kill("")
		}
	})
}

// A channel that Zoho has dropped, and does not enable again, is not shown with the end that it once had.
func TestADroppedChannelHasNoExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		c := channels(t, crm, "v8", state, "Deals.all")
		watched := watch(t, c, state)
		time.Sleep(time.Until(watched.Next))
		crm.Kill("")
		crm.Modules = []string{"Leads"}
		refused, err := c.Watch(t.Context(), state, func(ingest.Gap) error { return nil })
		if one := refused.Channels[0]; err == nil || one.State != "refused" || !one.Expires.IsZero() || one.Problem == "" {
			t.Errorf("the channel is %+v", one)
		}
	})
}
