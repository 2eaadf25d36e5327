package bitrix24

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// lifecycle are the events that end or renew the trust in an application. They are always bound to Handler.
var lifecycle = []string{"ONAPPUPDATE", "ONAPPUNINSTALL"}

// binding is one row of event.get.
type binding struct {
	event, handler string
	offline        bool
}

func (b binding) params() map[string]any {
	if b.offline {
		return map[string]any{"event": b.event, "event_type": "offline"}
	}
	return map[string]any{"event": b.event, "handler": b.handler}
}

func compareBindings(a, b binding) int {
	return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.handler, b.handler))
}

// bindings is the state of a portal's bindings, in State.Shared.
type bindings struct {
	Disabled bool          `json:"disabled,omitempty"`
	Asked    string        `json:"asked,omitempty"` // a word that changes when somebody asks for a check, as by an installation
	Ours     []seenBinding `json:"ours"`
	Gaps     ingest.Gaps   `json:"gaps,omitempty"` // not noted yet
}

// seenBinding is a binding of the bridge, and when it was last known to be there.
type seenBinding struct {
	Event   string    `json:"event"`
	Handler string    `json:"handler,omitempty"`
	Offline bool      `json:"offline,omitempty"`
	Seen    time.Time `json:"seen"`
	Missing bool      `json:"missing,omitempty"` // at some time since Seen
}

func (s seenBinding) binding() binding { return binding{s.Event, s.Handler, s.Offline} }

// covered records that a binding has been there since a moment. If it was missing, the time until now becomes a gap, by the
// portal's clock.
func (m *bindings) covered(t table, clock *ingest.Clock, member string, b binding, since time.Time) {
	for _, ours := range m.Ours {
		if ours.binding() == b && ours.Missing && !slices.Contains(lifecycle, b.event) {
			m.Gaps.Add(clock.Gap(member, t.moduleOf(b.event), clock.At(ours.Seen), clock.Now()))
		}
	}
	m.remove(b)
	m.Ours = append(m.Ours, seenBinding{Event: b.event, Handler: b.handler, Offline: b.offline, Seen: since.UTC()})
}

// missing records that a binding of the bridge is not there.
func (m *bindings) missing(b binding) {
	for i := range m.Ours {
		if m.Ours[i].binding() == b {
			m.Ours[i].Missing = true
		}
	}
}

func (m *bindings) remove(b binding) {
	m.Ours = slices.DeleteFunc(m.Ours, func(ours seenBinding) bool { return ours.binding() == b })
}

// all returns the bindings in a fixed order.
func (m *bindings) all() []binding {
	all := make([]binding, 0, len(m.Ours))
	for _, ours := range m.Ours {
		all = append(all, ours.binding())
	}
	slices.SortFunc(all, compareBindings)
	return all
}

// remember changes and stores a portal's state, also where the change failed halfway or time ran out. If somebody else was faster
// it starts over.
func remember(ctx context.Context, store ingest.Store, member string, change func(*bindings) error) (failed error) {
	_, err := bindingsOf(store, member).Update(ctx, func(kept *bindings) error {
		failed = change(kept)
		return nil
	})
	return errors.Join(failed, err)
}

// askForCheck has the next Watch check a portal, whenever it did so last.
func askForCheck(ctx context.Context, store ingest.Store, member string) error {
	return remember(ctx, store, member, func(kept *bindings) error {
		kept.Asked = rand.Text()
		return nil
	})
}

// bindingsOf returns where a portal's state is stored. What cannot be decoded is dropped, and what is bound is found again.
func bindingsOf(store ingest.Store, member string) rest.Value[bindings] {
	return rest.Value[bindings]{Store: lasting{store}, Key: "bitrix24.bindings." + member, Lenient: true}
}

// noteGaps notes a portal's gaps, and forgets them.
func noteGaps(ctx context.Context, store ingest.Store, member string, note func(ingest.Gap) error) error {
	return remember(ctx, store, member, func(kept *bindings) error {
		return kept.Gaps.Note(note)
	})
}

// lasting is a store that still saves for a moment after ctx has ended.
type lasting struct{ ingest.Store }

func (l lasting) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), hurry)
	defer cancel()
	return l.Store.Save(last, key, value, revision)
}
