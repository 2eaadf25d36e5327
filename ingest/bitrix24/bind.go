package bitrix24

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Subscriptions keeps events bound in portals: online events to Handler, or offline events to the portal's queue.
// Bindings do not expire, but an update of the application loses them, and an administrator may. Set the fields once.
type Subscriptions struct {
	Client  *Client
	Portals []string // member_ids
	Events  Wanted
	Handler string // where the portals post to: <public URL>/bitrix24/events
	Offline bool   // the events wait in the portal's queue instead

	mu      sync.Mutex
	checked map[string]checkedPortal
}

// How often bindings are checked.
const (
	lookEvery = time.Hour
	lookAgain = 5 * time.Minute // after a failure
)

// channelID is the channel as which a portal's bindings are listed.
func (s *Subscriptions) channelID() string {
	if s.Offline {
		return "offline"
	}
	return "events"
}

// Watch implements ingest.Watcher: it reads what is bound in each portal (event.get), binds what is missing (event.bind), and
// unbinds what it once bound and is no longer configured (event.unbind). A binding that has vanished is a gap from the last time
// that it was seen. It leaves other handlers alone. Many portals are checked at once, and each only when its check is due or asked for,
// so that an installation in one portal calls no other.
func (s *Subscriptions) Watch(ctx context.Context, state ingest.State, note func(ingest.Gap) error) (ingest.Watched, error) {
	checked := make([]checkedPortal, len(s.Portals))
	err := eachPortal(ctx, s.Portals, func(ctx context.Context, i int) error {
		checked[i] = s.check(ctx, state.Shared, s.Portals[i], note)
		return checked[i].failure
	})
	watched := ingest.Watched{Next: time.Now().Add(lookEvery)}
	for _, one := range checked {
		watched.Channels = append(watched.Channels, one.channel)
		if one.next.Before(watched.Next) {
			watched.Next = one.next
		}
	}
	return watched, err
}

// check checks a portal, if that is due or was asked for, and notes its gaps.
func (s *Subscriptions) check(ctx context.Context, store ingest.Store, member string, note func(ingest.Gap) error) checkedPortal {
	one, isDue := s.lastCheck(ctx, store, member)
	if !isDue {
		return one
	}
	one = checkedPortal{next: time.Now().Add(lookEvery)}
	var err error
	one.channel, one.asked, err = s.watch(ctx, store, member)
	if err = errors.Join(err, noteGaps(ctx, store, member, note)); err != nil {
		one.failure = fmt.Errorf("events of portal %s: %w", member, err)
		one.next = time.Now().Add(lookAgain)
		if late(ctx) && !errors.Is(err, context.DeadlineExceeded) {
			one.next = time.Now()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.checked == nil {
		s.checked = map[string]checkedPortal{}
	}
	s.checked[member] = one
	return one
}

// checkedPortal is the last check of a portal by this process.
type checkedPortal struct {
	channel ingest.Channel
	asked   string    // what bindings.Asked was then
	next    time.Time // when the next one is due
	failure error
}

// lastCheck returns the last check of a portal, and whether another is due or was asked for, or gaps were left.
func (s *Subscriptions) lastCheck(ctx context.Context, store ingest.Store, member string) (last checkedPortal, isDue bool) {
	s.mu.Lock()
	last, ok := s.checked[member]
	s.mu.Unlock()
	if !ok || !time.Now().Before(last.next) {
		return last, true
	}
	kept, _, err := bindingsOf(store, member).Load(ctx)
	return last, err != nil || kept.Asked != last.asked || len(kept.Gaps) > 0
}

// watch checks a portal. asked is the last request for a check that it has seen.
func (s *Subscriptions) watch(ctx context.Context, store ingest.Store, member string) (channel ingest.Channel, asked string, err error) {
	table, err := openTable()
	if err != nil {
		return ingest.Channel{}, asked, err
	}
	channel = ingest.Channel{Provider: Provider, Account: member, ID: s.channelID(), State: "active", Queued: s.Offline}
	for _, event := range s.Events {
		channel.Modules = append(channel.Modules, table.moduleOf(event))
	}
	slices.Sort(channel.Modules)
	channel.Modules = slices.Compact(channel.Modules)

	var have []binding
	start := time.Now()
	err = remember(ctx, store, member, func(kept *bindings) error {
		asked = kept.Asked
		if kept.Disabled {
			channel.State = "disabled"
			return nil
		}
		if have, err = s.bound(ctx, member); err != nil {
			return err
		}
		for _, want := range s.needed() {
			if slices.Contains(have, want) {
				kept.covered(table, &s.Client.portal(member).clock, member, want, start)
			} else {
				kept.missing(want) // stored before it is bound again: the answer to that may be lost
			}
		}
		return nil
	})
	if err == nil && channel.State != "disabled" {
		err = remember(ctx, store, member, func(kept *bindings) error {
			return s.settle(ctx, table, member, kept, have)
		})
	}
	if err != nil {
		channel.State, channel.Problem = "lapsed", clipped(err.Error())
		if errors.Is(err, errNotInstalled) || refusedWith(err, "WRONG_AUTH_TYPE", "ACCESS_DENIED") {
			channel.State = "refused"
		}
	}
	return channel, asked, err
}

// settle changes a portal's bindings from have to what is needed. What failed is in the error; the rest is done all the same.
func (s *Subscriptions) settle(ctx context.Context, table table, member string, kept *bindings, have []binding) error {
	var failed error
	needed := s.needed()
	for _, want := range needed {
		if slices.Contains(have, want) {
			continue
		}
		if late(ctx) {
			return errors.Join(failed, errors.New("not all events could be bound in time; the next check continues"))
		}
		bound := time.Now()
		if err := s.bind(ctx, member, want); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		kept.covered(table, &s.Client.portal(member).clock, member, want, bound)
	}
	for _, old := range kept.all() {
		if slices.Contains(needed, old) {
			continue
		}
		if slices.Contains(have, old) {
			if err := s.unbind(ctx, member, old); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
		}
		kept.remove(old)
	}
	return failed
}

// needed returns what should be bound.
func (s *Subscriptions) needed() []binding {
	var all []binding
	for _, event := range s.Events {
		if s.Offline {
			all = append(all, binding{event: event, offline: true})
			continue
		}
		all = append(all, binding{event: event, handler: s.Handler})
	}
	if s.Handler != "" && len(s.Events) > 0 {
		for _, event := range lifecycle {
			all = append(all, binding{event: event, handler: s.Handler})
		}
	}
	return all
}

// bound reads what is bound (event.get). Offline bindings have no handler.
func (s *Subscriptions) bound(ctx context.Context, member string) ([]binding, error) {
	var rows []struct {
		Event   string `json:"event"`
		Handler string `json:"handler"`
		Offline any    `json:"offline"`
	}
	if err := s.Client.call(ctx, member, "event.get", nil, &rows); err != nil {
		return nil, explain(err)
	}
	all := make([]binding, 0, len(rows))
	for _, row := range rows {
		all = append(all, binding{strings.ToUpper(row.Event), row.Handler, fmt.Sprint(row.Offline) == "1"})
	}
	return all, nil
}

// bind binds an event; it is not an error if it is bound already.
func (s *Subscriptions) bind(ctx context.Context, member string, b binding) error {
	if !b.offline && b.handler == "" {
		return fmt.Errorf("%s cannot be bound: set BRIDGE_PUBLIC_URL, where the portal will post to, or BRIDGE_BITRIX24_OFFLINE", b.event)
	}
	err := s.Client.call(ctx, member, "event.bind", b.params(), nil)
	var refusal *apiError
	if errors.As(err, &refusal) && strings.Contains(refusal.Description, "already binded") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.event, explain(err))
	}
	return nil
}

func (s *Subscriptions) unbind(ctx context.Context, member string, b binding) error {
	if err := s.Client.call(ctx, member, "event.unbind", b.params(), nil); err != nil {
		return fmt.Errorf("%s: %w", b.event, explain(err))
	}
	return nil
}

// Disable unbinds what the bridge has bound in a portal, and binds nothing there until Enable.
func (s *Subscriptions) Disable(ctx context.Context, state ingest.State, member string) error {
	return s.change(ctx, state, member, func(kept *bindings) error {
		kept.Disabled = true
		have, err := s.bound(ctx, member)
		if err != nil {
			return err
		}
		for _, ours := range kept.all() {
			if slices.Contains(have, ours) && !slices.Contains(lifecycle, ours.event) {
				err = errors.Join(err, s.unbind(ctx, member, ours))
			}
			kept.remove(ours)
		}
		return err
	})
}

// Enable has the next Watch bind the events in a portal again.
func (s *Subscriptions) Enable(ctx context.Context, state ingest.State, member string) error {
	return s.change(ctx, state, member, func(kept *bindings) error {
		kept.Disabled = false
		return nil
	})
}

// Renew has the next Watch check a portal's bindings, which do not expire. It is an error where they are disabled.
func (s *Subscriptions) Renew(ctx context.Context, state ingest.State, member string) error {
	return s.change(ctx, state, member, func(kept *bindings) error {
		if kept.Disabled {
			return fmt.Errorf("portal %s is disabled; enable it first (crm-bridge channels enable bitrix24)", member)
		}
		return nil
	})
}

func (s *Subscriptions) change(ctx context.Context, state ingest.State, member string, f func(*bindings) error) error {
	if !slices.Contains(s.Portals, member) {
		return fmt.Errorf("BRIDGE_BITRIX24_PORTALS does not name the portal %q", member)
	}
	return remember(ctx, state.Shared, member, func(kept *bindings) error {
		kept.Asked = rand.Text()
		return f(kept)
	})
}
