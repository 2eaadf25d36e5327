package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Watch implements ingest.Watcher: it reads what is bound in each portal (event.get), binds what is missing (event.bind), and
// unbinds what it once bound and is no longer configured (event.unbind). A binding that has vanished is a gap from the last time
// that it was seen. It leaves other handlers alone. Many portals are checked at once, and each only when its check is due or asked for,
// so that an installation in one portal calls no other.
func (s *Subscriptions) Watch(ctx context.Context, state ingest.State, note func(ingest.Gap) error) (ingest.Watched, error) {
	checked := make([]checkedPortal, len(s.Portals))
	err := s.Client.eachPortal(ctx, s.Portals, func(ctx context.Context, i int) error {
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
