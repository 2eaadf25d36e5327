package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// How often the journal's subscriptions are checked.
const (
	lookEvery = time.Hour
	lookAgain = 5 * time.Minute // after a failure
)

// subscriptions keeps what portals write to the journal, as ingest.Watcher. Subscriptions do not expire, but somebody may delete them.
type subscriptions struct {
	app     *app
	portals ingest.AccountIDs
	wanted  Wanted
}

const subscriptionsPath = "/webhooks-journal/subscriptions/" + version

// subscription is a subscription as the API writes it.
type subscription struct {
	ID         json.Number `json:"id,omitempty"`
	Type       string      `json:"subscriptionType"`
	Portal     json.Number `json:"portalId,omitempty"`
	ObjectType string      `json:"objectTypeId,omitempty"`
	Actions    []string    `json:"actions"`
	Properties []string    `json:"properties,omitempty"`
}

// of reports whether two subscriptions are of one object of one portal, of which there is one at most.
func (s subscription) of(other subscription) bool {
	return s.Type == other.Type && s.Portal == other.Portal && s.ObjectType == other.ObjectType
}

// reports reports whether s reports all that other does.
func (s subscription) reports(other subscription) bool {
	holds := func(all, some []string) bool {
		return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
	}
	return holds(s.Actions, other.Actions) && holds(s.Properties, other.Properties)
}

// subscribed is what the replicas remember of subscriptions.
type subscribed struct {
	Disabled []string             // portals
	Seen     map[string]time.Time // when a subscription was last seen, by portal and module
}

func subscribedIn(store ingest.Store) rest.Value[subscribed] {
	return rest.Value[subscribed]{Store: store, Key: "hubspot.subscriptions", Lenient: true}
}

// Watch implements ingest.Watcher: it creates what is missing, changes what reports less than is wanted, and deletes what it made and is no
// longer wanted. One that has vanished is a gap from the last time that it was seen.
func (s *subscriptions) Watch(ctx context.Context, state ingest.State, note func(ingest.Gap) error) (ingest.Watched, error) {
	watched := ingest.Watched{Next: time.Now().Add(lookEvery)}
	var list struct{ Results []subscription }
	_, failed := s.app.call(ctx, s.app.bearer, http.MethodGet, subscriptionsPath, nil, &list)
	if failed == nil {
		var inPart error // what was done stays done, and is stored although something else failed
		_, failed = subscribedIn(state.Shared).Update(ctx, func(kept *subscribed) error {
			watched.Channels = nil
			if kept.Seen == nil {
				kept.Seen = map[string]time.Time{}
			}
			var errs []error
			for _, portal := range s.portals {
				for _, one := range s.wanted {
					channel, err := s.watch(ctx, kept, portal, one, list.Results, note)
					watched.Channels, errs = append(watched.Channels, channel), append(errs, err)
				}
			}
			inPart = errors.Join(append(errs, s.remove(ctx, kept, list.Results))...)
			return nil
		})
		failed = errors.Join(failed, inPart)
	}
	if failed != nil {
		watched.Next = time.Now().Add(lookAgain)
	}
	return watched, failed
}

// watch has one object of a portal subscribed to.
func (s *subscriptions) watch(ctx context.Context, kept *subscribed, portal string, one WantedObject, have []subscription, note func(ingest.Gap) error) (ingest.Channel, error) {
	of, _ := objectOf(one.Module)
	want := subscription{Type: "OBJECT", Portal: json.Number(portal), ObjectType: of.typeID, Properties: one.Properties}
	for _, action := range journalActions {
		want.Actions = append(want.Actions, action.native)
	}
	channel := ingest.Channel{Provider: Provider, Account: portal, ID: of.typeID, Modules: []string{of.module}, State: "active", Queued: true}
	if slices.Contains(kept.Disabled, portal) {
		channel.State = "disabled"
		return channel, nil
	}
	key, now := portal+"/"+of.module, time.Now().UTC()
	at := slices.IndexFunc(have, want.of)
	var err error
	if seen := kept.Seen[key]; at < 0 && !seen.IsZero() {
		err = note((&ingest.Clock{}).Gap(portal, of.module, seen, now))
	}
	if err == nil && (at < 0 || !have[at].reports(want)) { // creating it again changes it
		var made subscription
		if _, err = s.app.call(ctx, s.app.bearer, http.MethodPost, subscriptionsPath, want, &made); answered(err, http.StatusConflict) {
			err = nil
		}
	}
	if err != nil {
		channel.State, channel.Problem = "lapsed", err.Error()
		if answered(err, http.StatusForbidden) || answered(err, http.StatusBadRequest) {
			channel.State = "refused"
		}
		return channel, fmt.Errorf("subscription of %s in portal %s: %w", of.module, portal, err)
	}
	kept.Seen[key] = now
	return channel, nil
}

// remove deletes what the bridge made and does not want any more.
func (s *subscriptions) remove(ctx context.Context, kept *subscribed, have []subscription) (failed error) {
	for _, one := range have {
		of, _ := objectOf(one.ObjectType)
		portal := one.Portal.String()
		key := portal + "/" + of.module
		wanted := slices.Contains(s.portals, portal) && slices.ContainsFunc(s.wanted, func(w WantedObject) bool { return w.Module == of.module })
		if one.Type != "OBJECT" || kept.Seen[key].IsZero() || wanted && !slices.Contains(kept.Disabled, portal) {
			continue
		}
		_, err := s.app.call(ctx, s.app.bearer, http.MethodDelete, subscriptionsPath+"/"+one.ID.String(), nil, nil)
		if err != nil && !answered(err, http.StatusNotFound) {
			failed = errors.Join(failed, fmt.Errorf("delete subscription %s: %w", one.ID, err))
			continue
		}
		delete(kept.Seen, key)
	}
	return failed
}

// changes are the changes of subscriptions, of one portal or of all, which the next Watch carries out.
func (s *subscriptions) changes(store ingest.Store) map[string]func(context.Context, string) ([]ingest.Channel, error) {
	each := func(change func(*subscribed, string) error) func(context.Context, string) ([]ingest.Channel, error) {
		return func(ctx context.Context, portal string) ([]ingest.Channel, error) {
			portals := s.portals
			if portal != "" {
				portals = ingest.AccountIDs{portal}
			}
			_, err := subscribedIn(store).Update(ctx, func(kept *subscribed) error {
				for _, one := range portals {
					if !slices.Contains(s.portals, one) {
						return fmt.Errorf("BRIDGE_HUBSPOT_PORTALS does not name the portal %q", one)
					}
					if err := change(kept, one); err != nil {
						return err
					}
				}
				return nil
			})
			return nil, err
		}
	}
	enable := func(kept *subscribed, portal string) {
		kept.Disabled = slices.DeleteFunc(kept.Disabled, func(one string) bool { return one == portal })
	}
	return map[string]func(context.Context, string) ([]ingest.Channel, error){
		"enable": each(func(kept *subscribed, portal string) error {
			enable(kept, portal)
			return nil
		}),
		"disable": each(func(kept *subscribed, portal string) error {
			enable(kept, portal) // so that it is named once
			kept.Disabled = append(kept.Disabled, portal)
			return nil
		}),
		"renew": each(func(kept *subscribed, portal string) error {
			if slices.Contains(kept.Disabled, portal) {
				return fmt.Errorf("portal %s is disabled; enable it first (crm-bridge channels enable %s)", portal, Provider)
			}
			return nil
		}),
	}
}
