package bitrix24_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
)

var lifecycleBound = []string{"ONAPPUNINSTALL " + handler, "ONAPPUPDATE " + handler}

func bound(events ...string) []string {
	all := slices.Concat(lifecycleBound, events)
	slices.Sort(all)
	return all
}

// watched is what Watch returned, and the gaps that it had noted.
type watched struct {
	ingest.Watched
	Gaps []ingest.Gap
}

func watchOnce(ctx context.Context, w *world) (got watched, err error) {
	got.Watched, err = w.app.Watch(ctx, w.state(), func(gap ingest.Gap) error {
		if ctx.Err() == nil {
			got.Gaps = append(got.Gaps, gap)
		}
		return ctx.Err()
	})
	return got, err
}

func watch(t *testing.T, w *world) watched {
	t.Helper()
	got, err := watchOnce(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Watch binds what is missing, once, and says that all is well.
func TestWatchBinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "Deal.edit,Contact.create", false)
		watched := watch(t, w)
		if diff := cmp.Diff(bound("ONCRMCONTACTADD "+handler, "ONCRMDEALUPDATE "+handler), w.portal.Bound()); diff != "" {
			t.Error(diff)
		}
		want := []ingest.Channel{{Provider: "bitrix24", Account: member, ID: "events", Modules: []string{"Contact", "Deal"}, State: "active"}}
		if diff := cmp.Diff(want, watched.Channels); diff != "" || len(watched.Gaps) != 0 || watched.Next.Before(time.Now().Add(30*time.Minute)) {
			t.Errorf("%s %+v", diff, watched)
		}
		calls := w.crm.Calls("event.bind")
		watch(t, w)
		if w.crm.Calls("event.bind") != calls {
			t.Error("what is bound was bound again")
		}
		w.portal.Put(2, 7, nil)
		w.portal.Put(2, 7, nil)
		if diff := cmp.Diff([]string{"ONAPPINSTALL ", "ONCRMDEALUPDATE 7"}, w.events); diff != "" {
			t.Error(diff)
		}
	})
}

// A binding that somebody else has made meanwhile is fine, and so is an answer that was lost.
func TestAlreadyBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "Deal.edit", false)
		w.crm.LoseAnswers("event.bind", 2)
		watch(t, w)
		if diff := cmp.Diff(bound("ONCRMDEALUPDATE "+handler), w.portal.Bound()); diff != "" {
			t.Error(diff)
		}
	})
}

// A binding that has vanished is bound again, and is a gap of its module from the last time that it was surely there,
// told of once.
func TestVanishedBindingsAreGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "Deal.all,Contact.create,Lead.edit", false)
		watch(t, w)
		time.Sleep(time.Hour)
		watch(t, w)
		sure := time.Now()
		time.Sleep(10 * time.Minute)
		w.portal.ForgetHandlers(func(event string) bool { return !strings.HasPrefix(event, "ONCRMLEAD") })
		time.Sleep(50 * time.Minute)
		gaps := watch(t, w).Gaps
		slices.SortFunc(gaps, func(a, b ingest.Gap) int { return strings.Compare(a.Module, b.Module) })
		if len(gaps) != 2 || gaps[0].Module != "Contact" || gaps[1].Module != "Deal" {
			t.Fatalf("%+v", gaps)
		}
		for _, gap := range gaps {
			if gap.Account != member || sure.Sub(gap.Since) > 6*time.Minute || gap.Since.After(sure) || time.Since(gap.Until).Abs() > 5*time.Second {
				t.Errorf("%+v, last sure %s", gap, sure)
			}
		}
		if gaps := watch(t, w).Gaps; gaps != nil {
			t.Errorf("told of again: %+v", gaps)
		}
		if len(w.portal.Bound()) != 4+1+1+2 {
			t.Errorf("%v", w.portal.Bound())
		}
	})
}

// A portal that cannot be reached for hours leaves no hole: when it is back, the gap begins at the last sure look.
func TestGapAcrossFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "Deal.edit", false)
		watch(t, w)
		sure := time.Now()
		w.portal.ForgetHandlers(func(string) bool { return true })
		w.crm.Refuse("event.bind", 20, 400, "ERROR_CORE", "Something")
		for range 3 {
			time.Sleep(time.Hour)
			watched, err := watchOnce(t.Context(), w)
			if err == nil || watched.Channels[0].State != "lapsed" || watched.Gaps != nil || watched.Next.After(time.Now().Add(10*time.Minute)) {
				t.Fatalf("%+v, %v", watched, err)
			}
		}
		time.Sleep(time.Hour)
		for range 10 {
			time.Sleep(5 * time.Minute) // until the next check is due
			if watched, err := watchOnce(t.Context(), w); err == nil {
				if len(watched.Gaps) != 1 || watched.Gaps[0].Since.After(sure) {
					t.Errorf("%+v", watched.Gaps)
				}
				return
			}
		}
		t.Error("never bound again")
	})
}

// What the bridge has bound and nobody wants any more is unbound; handlers of others stay, of the same events too.
func TestOnlyOurOwnIsUnbound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "Deal.edit,Lead.edit", false)
		w.portal.Bind("ONCRMLEADUPDATE", "https://others.example.com/")
		w.portal.Bind("ONCRMQUOTEADD", handler)
		watch(t, w)
		w.app = w.replica(t, "Deal.edit", false)
		watch(t, w)
		want := bound("ONCRMDEALUPDATE "+handler, "ONCRMLEADUPDATE https://others.example.com/", "ONCRMQUOTEADD "+handler)
		if diff := cmp.Diff(want, w.portal.Bound()); diff != "" {
			t.Error(diff)
		}
		w.app = w.replica(t, "Deal.edit", true)
		watch(t, w)
		want = bound("ONCRMDEALUPDATE offline", "ONCRMLEADUPDATE https://others.example.com/", "ONCRMQUOTEADD "+handler)
		if diff := cmp.Diff(want, w.portal.Bound()); diff != "" {
			t.Errorf("after a change to the queue: %s", diff)
		}
	})
}

// A disabled portal is left alone until it is enabled; the time in between is no gap.
func TestDisableAndEnable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "Deal.edit", false)
		watch(t, w)
		if err := w.app.Disable(t.Context(), w.state(), member); err != nil {
			t.Fatal(err)
		}
		if watched := watch(t, w); watched.Channels[0].State != "disabled" {
			t.Errorf("%+v", watched)
		}
		if diff := cmp.Diff(lifecycleBound, w.portal.Bound()); diff != "" {
			t.Error(diff)
		}
		if err := w.app.Renew(t.Context(), w.state(), member); err == nil || !strings.Contains(err.Error(), "enable") {
			t.Errorf("renewed while it is disabled: %v", err)
		}
		time.Sleep(time.Hour)
		if err := w.app.Enable(t.Context(), w.state(), member); err != nil {
			t.Fatal(err)
		}
		if watched := watch(t, w); watched.Channels[0].State != "active" || watched.Gaps != nil {
			t.Errorf("%+v", watched)
		}
		if diff := cmp.Diff(bound("ONCRMDEALUPDATE "+handler), w.portal.Bound()); diff != "" {
			t.Error(diff)
		}
	})
}

// What a person must mend is said in words.
func TestWatchSaysWhatToMend(t *testing.T) {
	for want, prepare := range map[string]func(w *world){
		"not those of an inbound webhook": func(w *world) {
			w.crm.Refuse("event.get", 9, 403, "WRONG_AUTH_TYPE", "Current authorization type is denied for this method")
		},
		"an administrator": func(w *world) { w.portal.Admin = false },
		"the portal does not know that event": func(w *world) {
			w.crm.Refuse("event.bind", 9, 400, "ERROR_EVENT_NOT_FOUND", "Event not found")
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := installed(t, "Deal.edit", true)
			prepare(w)
			watched, err := watchOnce(t.Context(), w)
			if err == nil || !strings.Contains(err.Error(), want) || watched.Channels[0].State == "active" || watched.Channels[0].Problem == "" {
				t.Errorf("%s: %+v, %v", want, watched.Channels, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "Deal.edit", false)
		watched, err := watchOnce(t.Context(), w)
		if err == nil || watched.Channels[0].State != "refused" || !strings.Contains(err.Error(), "install it") {
			t.Errorf("not installed: %+v, %v", watched.Channels, err)
		}
	})
}

// A bridge that dies after it has bound an event again, and before it could say so, leaves the gap to the next.
func TestGapOfABridgeThatDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "Deal.edit", false)
		watch(t, w)
		sure := time.Now()
		time.Sleep(time.Hour)
		w.portal.ForgetHandlers(func(event string) bool { return event == "ONCRMDEALUPDATE" })
		w.shared.fail = func(string, []byte) error {
			if w.crm.Calls("event.bind") > 3 {
				return errors.New("died")
			}
			return nil
		}
		if _, err := watchOnce(t.Context(), w); err == nil {
			t.Fatal("it did not die")
		}
		w.shared.fail = nil
		time.Sleep(time.Hour)
		w.app = w.replica(t, "Deal.edit", false)
		gaps := watch(t, w).Gaps
		if len(gaps) != 1 || gaps[0].Module != "Deal" || gaps[0].Since.After(sure) {
			t.Errorf("%+v", gaps)
		}
	})
}

// With little time a Watch binds what it can, and the next goes on; a gap that cannot be noted in time is noted by the next.
func TestWatchInLittleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all = "Deal.all,Contact.all,Lead.all,Company.all,Quote.all,Activity.all,Requisite.all,Currency.all"
		w := installed(t, all, false)
		turn := func() (watched, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			return watchOnce(ctx, w)
		}
		turns := 1
		for ; ; turns++ {
			watched, err := turn()
			if err == nil {
				break
			}
			if turns > 10 || watched.Next.After(time.Now()) {
				t.Fatalf("turn %d: %+v, %v", turns, watched, err)
			}
		}
		if turns < 2 || len(w.portal.Bound()) != 27 {
			t.Errorf("%d are bound after %d turns", len(w.portal.Bound()), turns)
		}
		time.Sleep(time.Hour)
		w.portal.ForgetHandlers(func(string) bool { return true })
		modules := map[string]int{}
		for range 5 {
			watched, _ := turn()
			for _, gap := range watched.Gaps {
				modules[gap.Module]++
			}
		}
		if len(modules) != 8 {
			t.Errorf("gaps of %v", modules)
		}
	})
}
