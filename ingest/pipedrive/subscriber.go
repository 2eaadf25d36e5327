package pipedrive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Subscriber keeps webhooks alive, as ingest.Watcher. Webhooks do not expire, but Pipedrive suspends one after ten deliveries that failed
// in a row, for 30 minutes whose changes it never sends, and deletes one after three days of failures, without notice. Set the fields once.
type Subscriber struct {
	Client   *Client
	Events   Events
	URL      string // where Pipedrive posts
	User     string
	Password string
	Log      *slog.Logger

	mu sync.Mutex
}

// How often the webhooks are listed, which takes 20 of a daily budget of 30,000 tokens or more.
const (
	lookEvery = 10 * time.Minute
	lookAgain = time.Minute // after a failure
)

// Watch implements ingest.Watcher: it lists the webhooks, makes what is missing, and deletes what it made and is no longer wanted. Where
// a webhook is gone, inactive, or its last delivery failed, the time since it was last seen well is a gap. Webhooks that post elsewhere
// are left alone.
func (s *Subscriber) Watch(ctx context.Context, state ingest.State, note func(ingest.Gap) error) (ingest.Watched, error) {
	channels, err := s.locked(ctx, state, func(*deliveries) error { return nil }, note)
	watched := ingest.Watched{Next: time.Now().Add(lookEvery), Channels: channels}
	if err != nil {
		watched.Next = time.Now().Add(lookAgain)
	}
	return watched, err
}

// maxConflicts bounds how often the webhooks are compared again because another replica was faster each time.
const maxConflicts = 5

// locked changes what is remembered, makes the webhooks so, and notes gaps; nil: they are left to the next Watch. Where another replica
// was faster it starts over.
func (s *Subscriber) locked(ctx context.Context, state ingest.State, change func(*deliveries) error, note func(ingest.Gap) error) (channels []ingest.Channel, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range maxConflicts {
		if channels, err = s.once(ctx, state, change, note); !errors.Is(err, ingest.ErrConflict) {
			return channels, err
		}
	}
	return channels, fmt.Errorf("other replicas change the webhooks at the same time; try again: %w", err)
}

// once is one attempt of locked.
func (s *Subscriber) once(ctx context.Context, state ingest.State, change func(*deliveries) error, note func(ingest.Gap) error) ([]ingest.Channel, error) {
	d, err := loadDeliveries(ctx, state.Shared)
	if err == nil {
		err = change(d)
	}
	if err != nil {
		return nil, err
	}
	channels, err := s.settle(ctx, d)
	if errors.Is(err, ingest.ErrConflict) {
		return channels, err
	}
	if err = errors.Join(err, d.save(ctx)); note != nil && len(d.Gaps) > 0 {
		err = errors.Join(err, d.Gaps.Note(note), d.save(ctx))
	}
	return channels, err
}

// settle compares the webhooks with what is wanted, and makes and deletes some.
func (s *Subscriber) settle(ctx context.Context, d *deliveries) ([]ingest.Channel, error) {
	asked := time.Now()
	rows, err := s.Client.listWebhooks(ctx)
	if err != nil {
		return nil, err
	}
	company, err := s.Client.ownCompany(ctx, rows)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(row listedWebhook) bool { return row.URL != s.URL && !slices.Contains(d.Ours, row.ID) })
	for _, wanted := range s.Events.subscriptions() {
		one := d.of(wanted)
		if !one.Dropped.IsZero() && s.Client.clock.Now().Sub(one.Dropped) > dropLasting {
			*one = delivery{}
		}
		if one.Dropped = (time.Time{}); one.Disabled {
			continue
		}
		if since := one.observe(of(rows, wanted), s.Client.clock.At(asked)); !since.IsZero() {
			s.missed(ctx, d, company, wanted, since)
		}
	}
	if err := d.save(ctx); err != nil { // before anything is made: the answer to that may be lost
		return nil, err
	}
	var errs []error
	var channels []ingest.Channel
	kept := map[string]bool{}
	for _, wanted := range s.Events.subscriptions() {
		channel := ingest.Channel{Provider: Provider, Account: company, Modules: wanted.gapModules(), State: "disabled"}
		if one := d.of(wanted); !one.Disabled {
			err := s.ensure(ctx, d, company, wanted, of(rows, wanted), kept)
			channel.ID, channel.State, channel.Problem = one.Webhook, "active", one.problem(err)
			var refusal *apiError
			switch {
			case err == nil:
			case errors.As(err, &refusal) && refusal.Status < 500:
				channel.State = "refused"
			default:
				channel.State = "lapsed"
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("webhook of %s: %w", wanted, err))
			}
		}
		channels = append(channels, channel)
	}
	return channels, errors.Join(append(errs, s.tidy(ctx, d, rows, kept))...)
}

// problem is what a person should know of a subscription; err is why its webhook could not be made.
func (d *delivery) problem(err error) string {
	switch {
	case err != nil:
		return err.Error()
	case d.Failing:
		return "its last delivery failed: see that Pipedrive reaches BRIDGE_PUBLIC_URL"
	}
	return ""
}

// of returns the webhooks of a subscription.
func of(rows []listedWebhook, s subscription) (its []listedWebhook) {
	for _, row := range rows {
		if row.subscription == s {
			its = append(its, row)
		}
	}
	return its
}

// missed remembers a gap until now.
func (s *Subscriber) missed(ctx context.Context, d *deliveries, company string, of subscription, since time.Time) {
	for _, module := range of.gapModules() {
		d.Gaps.Add(s.Client.clock.Gap(company, module, since, s.Client.clock.Now()))
	}
	if of.object == everything {
		s.Log.WarnContext(ctx, "pipedrive: callbacks may be missing; modules that Pipedrive does not list cannot be repaired", "since", since, "repaired", of.gapModules())
	}
}

// isCurrent reports whether a webhook is as the bridge would make it. Where the API does not show its password, that is taken for right
// unless its last delivery was not authenticated.
func (s *Subscriber) isCurrent(row listedWebhook) bool {
	right := ingest.MatchesAny(row.Password, []string{s.Password})
	if strings.Trim(row.Password, "*•") == "" {
		right = row.Status != "401"
	}
	return right && row.Alive && row.URL == s.URL && (row.Version == "" || strings.HasPrefix(row.Version, "2")) && row.User == s.User
}

// ensure keeps a current webhook of a subscription, or makes one. Pipedrive has no update, so an outdated one is kept until then.
func (s *Subscriber) ensure(ctx context.Context, d *deliveries, company string, wanted subscription, its []listedWebhook, kept map[string]bool) error {
	one := d.of(wanted)
	if i := slices.IndexFunc(its, s.isCurrent); i >= 0 && !one.Renew {
		kept[its[i].ID], one.Webhook = true, its[i].ID
		return nil
	}
	asked := s.Client.clock.Now()
	made, err := s.Client.createWebhook(ctx, wanted, s.URL, s.User, s.Password)
	if err != nil {
		for _, row := range its {
			kept[row.ID] = true
		}
		return err
	}
	if (one.Lost || one.Failing) && !one.Seen.IsZero() {
		s.missed(ctx, d, company, wanted, one.Seen)
	}
	*one = delivery{Webhook: made.ID, Seen: asked}
	d.Ours, kept[made.ID] = append(d.Ours, made.ID), true
	s.Log.InfoContext(ctx, "pipedrive: webhook made", "webhook", made.ID, "object", wanted.object, "action", wanted.action)
	return d.save(ctx)
}

// tidy deletes webhooks of ours that are not kept, and forgets subscriptions that are not wanted.
func (s *Subscriber) tidy(ctx context.Context, d *deliveries, rows []listedWebhook, kept map[string]bool) error {
	var errs []error
	for _, row := range rows {
		if kept[row.ID] || row.Removed {
			continue
		}
		if err := s.Client.deleteWebhook(ctx, row.ID); err != nil {
			kept[row.ID] = true
			errs = append(errs, err)
			continue
		}
		s.Log.InfoContext(ctx, "pipedrive: webhook deleted", "webhook", row.ID, "object", row.object, "action", row.action)
	}
	d.Ours = slices.DeleteFunc(d.Ours, func(id string) bool { return !kept[id] })
	wanted, now := s.Events.subscriptions(), s.Client.clock.Now()
	for name, one := range d.Of {
		switch {
		case slices.ContainsFunc(wanted, func(w subscription) bool { return w.String() == name }):
		case one.Dropped.IsZero():
			one.Dropped = now
		case now.Sub(one.Dropped) > dropLasting:
			delete(d.Of, name)
		}
	}
	return errors.Join(errs...)
}
