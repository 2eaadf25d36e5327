package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Installations learns from ONAPPINSTALL which application_token authenticates the callbacks of a portal, and forgets it with
// ONAPPUNINSTALL. Nothing in such a callback is trusted: its refresh token is shown to the OAuth server together with our client
// secret, and the answer must be for the callback's portal, which must be configured. Set the fields once.
type Installations struct {
	Client  *Client
	Portals []string // member_ids whose installation is accepted
	Woken   func()   // called after an installation, when events can be bound; nil: not called

	once       sync.Once
	configured map[string]bool // Portals

	learnt learntTokens
	turns  turns  // of checks at the OAuth server
	checks checks // at the OAuth server
}

// Installation is a callback's auth block. ONAPPINSTALL brings an application_token, and so does ONAPPUPDATE, because a new version may
// have another token (api-reference/events/safe-event-handlers.md).
type Installation struct {
	MemberID         string
	ApplicationToken string
	RefreshToken     string
	Proven           bool       // a configured token authenticates it, so that it does not wait behind strangers
	From             netip.Addr // who sent it, for the fairness of checks
}

// uninstalls reports whether an event of that name uninstalls the application; the documents have two spellings.
func uninstalls(event string) bool {
	return strings.EqualFold(event, "ONAPPUNINSTALL") || strings.EqualFold(event, "ONAPPSUNINSTALL")
}

// install checks an installation at the OAuth server and stores the credentials. One that a known application_token authenticates does
// not wait behind others. The error is ingest.ErrForged where the server does not confirm it or too many are sent for it to be
// checked in time, and ingest.ErrRetry where the server is unreachable or the credentials cannot be stored.
func (i *Installations) install(ctx context.Context, from Installation, proven bool) error {
	switch {
	case i.Client.ClientID == "" || i.Client.ClientSecret == "":
		return fmt.Errorf("%w: an installation, but no BRIDGE_BITRIX24_CLIENT_ID and _CLIENT_SECRET are configured", ingest.ErrForged)
	case !i.isConfigured(from.MemberID):
		return fmt.Errorf("%w: an installation of a portal that is not in BRIDGE_BITRIX24_PORTALS", ingest.ErrForged)
	case ingest.CheckID(from.ApplicationToken) != nil:
		return fmt.Errorf("%w: an installation without an application_token", ingest.ErrForged)
	case from.RefreshToken == "" || len(from.RefreshToken) > 1000:
		return fmt.Errorf("%w: an installation without a refresh_token, which cannot be confirmed", ingest.ErrForged)
	}
	return i.checks.once(ctx, digestOf(from.MemberID, from.RefreshToken, from.ApplicationToken), func() error {
		if !proven && !i.turns.wait(ctx, senderOf(from.From, from.MemberID)) {
			return fmt.Errorf("%w: too many installations were sent to be checked in time; set BRIDGE_ALLOW, and BRIDGE_TRUSTED_PROXIES behind a proxy, to keep strangers out", ingest.ErrForged)
		}
		return i.check(ctx, from)
	})
}

// check exchanges an installation's refresh token and stores the credentials.
func (i *Installations) check(ctx context.Context, from Installation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkFor) // too late to give up halfway: its token works once
	defer cancel()
	answer, err := i.Client.oauth().exchange(ctx, from.RefreshToken)
	var refusal *apiError
	if errors.As(err, &refusal) && refusal.Code != "" && !passing(err) {
		return fmt.Errorf("%w: %w: %w", ingest.ErrForged, errUnconfirmed, err)
	}
	if err != nil {
		return fmt.Errorf("%w: the installation could not be checked: %w", ingest.ErrRetry, err)
	}
	next, err := i.Client.oauth().accepted(answer, from.MemberID, from.ApplicationToken)
	if err != nil {
		return fmt.Errorf("%w: %w: %w", ingest.ErrForged, errUnconfirmed, err)
	}
	if err := i.put(ctx, from.MemberID, next); err != nil {
		return fmt.Errorf("%w: the installation: %w", ingest.ErrRetry, err)
	}
	i.Client.log().Info("application installed", "portal", from.MemberID, "endpoint", next.Endpoint)
	if err := askForCheck(ctx, i.Client.State.Shared, from.MemberID); err != nil {
		i.Client.log().Warn("events are not bound right after the installation; the next check of the portal does it", "portal", from.MemberID, "error", err)
	}
	i.Client.portal(from.MemberID).heard(time.Time{}, nil) // it may have another address now
	if i.Woken != nil {
		i.Woken()
	}
	return nil
}

// Prove authenticates a callback with that event and that auth block: nil if it comes from its portal, ingest.ErrForged if not. An
// installation is checked and stored first, and an uninstallation ends the trust.
func (i *Installations) Prove(ctx context.Context, event string, auth Installation) error {
	known := i.proves(ctx, auth.MemberID, auth.ApplicationToken)
	switch {
	case strings.EqualFold(event, "ONAPPINSTALL"), strings.EqualFold(event, "ONAPPUPDATE") && !known:
		return i.install(ctx, auth, known || auth.Proven)
	case !known && !auth.Proven && i.learnt.isUnread(auth.MemberID):
		return fmt.Errorf("%w: the store of application tokens is unreachable", ingest.ErrUnasked)
	case !known:
		return fmt.Errorf("%w: no installation brought that application_token for its member_id", ingest.ErrForged)
	case uninstalls(event):
		return i.uninstall(ctx, auth.MemberID)
	}
	return nil
}

// uninstall ends the trust in a portal: its application_token and its credentials are deleted. Call it only for an authenticated
// callback.
func (i *Installations) uninstall(ctx context.Context, member string) error {
	if err := i.put(ctx, member, credentials{}); err != nil {
		return fmt.Errorf("%w: the uninstallation: %w", ingest.ErrRetry, err)
	}
	i.Client.log().Warn("application uninstalled", "portal", member)
	return nil
}

// put replaces a portal's credentials, even those that cannot be decoded.
func (i *Installations) put(ctx context.Context, member string, next credentials) error {
	stored := i.Client.stored(member)
	stored.Lenient = true
	_, err := stored.Update(ctx, func(have *credentials) error {
		*have = next
		return nil
	})
	if err == nil {
		i.learnt.learn(member, next.ApplicationToken)
	}
	return err
}

// tokensFor returns the application_tokens that authenticate a portal's callbacks; nil where it has none. They are at most half a
// minute old.
func (i *Installations) tokensFor(ctx context.Context, member string) []string {
	if !i.isConfigured(member) {
		return nil
	}
	token, fresh := i.learnt.remembered(member)
	if !fresh {
		if stored, ok := i.learnt.look(ctx, i.Client, member); ok {
			token = stored
		}
	}
	if token == "" {
		return nil
	}
	return []string{token}
}

// proves reports whether token authenticates a callback of a portal. An unknown token is looked up in the store, since another
// replica may just have stored it.
func (i *Installations) proves(ctx context.Context, member, token string) bool {
	if !i.isConfigured(member) || token == "" {
		return false
	}
	known, fresh := i.learnt.remembered(member)
	if fresh && ingest.MatchesAny(token, []string{known}) {
		return true
	}
	stored, ok := i.learnt.look(ctx, i.Client, member)
	if !ok {
		stored = known
	}
	return ingest.MatchesAny(token, []string{stored})
}

// isConfigured reports whether a portal is one of Portals.
func (i *Installations) isConfigured(member string) bool {
	i.once.Do(func() {
		i.configured = make(map[string]bool, len(i.Portals))
		for _, portal := range i.Portals {
			i.configured[portal] = true
		}
	})
	return i.configured[member]
}
