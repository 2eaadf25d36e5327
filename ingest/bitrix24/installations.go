package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Installations learns from ONAPPINSTALL which application_token proves the callbacks of a portal, and forgets it with
// ONAPPUNINSTALL. Nothing that a callback says is believed because it says so: its refresh token is shown to the OAuth
// server together with our client secret, and what comes back must be for the very portal, which must be configured. Set
// the fields once.
type Installations struct {
	Client  *Client
	Portals []string // member_ids whose installation is believed
	Woken   func()   // called after an installation, when events can be bound; nil: nobody waits for it

	mu     sync.Mutex
	known  map[string]learnt
	unread map[string]bool // portals whose token could not be read, and is not known
	checks *rate.Limiter   // questions to the OAuth server
	looks  *rate.Limiter   // into the store, for tokens that nobody knows
}

// learnt is a token as it was stored at a moment.
type learnt struct {
	token string
	at    time.Time
}

// Bounds of what strangers can cause.
const (
	checksASecond = 1 // installations that are checked at the OAuth server; others wait for their turn
	looksASecond  = 50
	checkFor      = 15 * time.Second // one installation, until it is stored
	learntFor     = 30 * time.Second // then a token is read from the store again
)

// Installation is what a callback's auth block says. ONAPPINSTALL brings an application_token, and so does ONAPPUPDATE, for
// a new version may have a token of its own (api-reference/events/safe-event-handlers.md).
type Installation struct {
	MemberID         string
	ApplicationToken string
	RefreshToken     string
}

// Uninstalls tells whether an event of that name ends the application; the documents spell it in two ways.
func Uninstalls(event string) bool {
	return strings.EqualFold(event, "ONAPPUNINSTALL") || strings.EqualFold(event, "ONAPPSUNINSTALL")
}

// Install checks an installation at the OAuth server and stores what it brings. It returns ingest.ErrForged where the
// server does not confirm it, and ingest.ErrRetry where it could not be asked or the answer not be stored.
func (i *Installations) Install(ctx context.Context, from Installation) error {
	switch {
	case i.Client.ClientID == "" || i.Client.ClientSecret == "":
		return fmt.Errorf("%w: an installation, but no BRIDGE_BITRIX24_CLIENT_ID and _CLIENT_SECRET are configured", ingest.ErrForged)
	case !i.believes(from.MemberID):
		return fmt.Errorf("%w: an installation of a portal that is not in BRIDGE_BITRIX24_PORTALS", ingest.ErrForged)
	case ingest.CheckID(from.ApplicationToken) != nil:
		return fmt.Errorf("%w: an installation without an application_token", ingest.ErrForged)
	case from.RefreshToken == "" || len(from.RefreshToken) > 1000:
		return fmt.Errorf("%w: an installation without a refresh_token, so that nothing can confirm it", ingest.ErrForged)
	}
	if err := i.limits().Wait(ctx); err != nil {
		return fmt.Errorf("%w: too many installations to check", ingest.ErrRetry)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkFor) // its token works once: no giving up half way
	defer cancel()
	answer, err := i.Client.exchange(ctx, from.RefreshToken)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Code != "" {
		return fmt.Errorf("%w: the installation is not confirmed: %w", ingest.ErrForged, err)
	}
	if err != nil {
		return fmt.Errorf("%w: the installation could not be checked: %w", ingest.ErrRetry, err)
	}
	next, err := i.Client.accepted(answer, from.MemberID, from.ApplicationToken)
	if err != nil {
		return fmt.Errorf("%w: the installation is not confirmed: %w", ingest.ErrForged, err)
	}
	if err := i.put(ctx, from.MemberID, next); err != nil {
		return fmt.Errorf("%w: the installation: %w", ingest.ErrRetry, err)
	}
	i.Client.log().Info("application installed", "portal", from.MemberID, "endpoint", next.Endpoint)
	if i.Woken != nil {
		i.Woken()
	}
	return nil
}

// Prove decides whether a callback with that event and that auth block comes from its portal: nil if so, ingest.ErrForged if
// not. An installation is checked and stored first, and with the end of one the trust ends.
func (i *Installations) Prove(ctx context.Context, event string, auth Installation) error {
	known := i.Proves(ctx, auth.MemberID, auth.ApplicationToken)
	switch {
	case strings.EqualFold(event, "ONAPPINSTALL"), strings.EqualFold(event, "ONAPPUPDATE") && !known:
		return i.Install(ctx, auth)
	case !known && i.isUnread(auth.MemberID):
		return fmt.Errorf("%w: the store of application tokens is unreachable", ingest.ErrUnasked)
	case !known:
		return fmt.Errorf("%w: no installation brought that application_token for its member_id", ingest.ErrForged)
	case Uninstalls(event):
		return i.Uninstall(ctx, auth.MemberID)
	}
	return nil
}

// Uninstall ends the trust in a portal: its token proves nothing any more and its credentials are gone. Call it only for
// a callback that Proves was true for.
func (i *Installations) Uninstall(ctx context.Context, member string) error {
	if err := i.put(ctx, member, access{}); err != nil {
		return fmt.Errorf("%w: the end of the installation: %w", ingest.ErrRetry, err)
	}
	i.Client.log().Warn("application uninstalled", "portal", member)
	return nil
}

// put stores credentials whatever is there.
func (i *Installations) put(ctx context.Context, member string, next access) error {
	for range 10 {
		_, revision, err := i.Client.read(ctx, member)
		if err != nil && revision == 0 { // what cannot be understood is replaced
			return err
		}
		if _, err = i.Client.save(ctx, member, next, revision); err == nil {
			i.learn(member, next.ApplicationToken)
			return nil
		}
		if !errors.Is(err, ingest.ErrConflict) {
			return err
		}
	}
	return ingest.ErrConflict
}

// TokensFor returns the application_tokens that prove a portal's callbacks; nil where it has none. It is as the store had
// it half a minute ago at most.
func (i *Installations) TokensFor(ctx context.Context, member string) []string {
	if !i.believes(member) {
		return nil
	}
	i.mu.Lock()
	known, ok := i.known[member]
	i.mu.Unlock()
	if !ok || time.Since(known.at) > learntFor {
		known.token = i.look(ctx, member, known.token)
	}
	if known.token == "" {
		return nil
	}
	return []string{known.token}
}

// Proves tells whether token proves a callback of a portal. A token that it does not know yet it looks up in the store,
// for another replica may have taken the installation a moment ago.
func (i *Installations) Proves(ctx context.Context, member, token string) bool {
	if ingest.MatchesAny(token, i.TokensFor(ctx, member)) {
		return true
	}
	i.limits()
	return i.believes(member) && i.looks.Allow() && ingest.MatchesAny(token, []string{i.look(ctx, member, "")})
}

// look reads a portal's token from the store; otherwise, where that fails, it is what was known.
func (i *Installations) look(ctx context.Context, member, otherwise string) string {
	have, _, err := i.Client.read(ctx, member)
	if err != nil {
		i.Client.log().Error("application token cannot be read", "portal", member, "error", err)
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.unread == nil {
			i.unread = map[string]bool{}
		}
		i.unread[member] = otherwise == ""
		return otherwise
	}
	i.learn(member, have.ApplicationToken)
	return have.ApplicationToken
}

func (i *Installations) learn(member, token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known == nil {
		i.known = map[string]learnt{}
	}
	i.known[member] = learnt{token, time.Now()}
	delete(i.unread, member)
}

// isUnread tells whether a portal's token could not be read, so that nothing can be said of what it should prove.
func (i *Installations) isUnread(member string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.unread[member]
}

func (i *Installations) believes(member string) bool {
	for _, portal := range i.Portals {
		if portal == member && member != "" {
			return true
		}
	}
	return false
}

func (i *Installations) limits() *rate.Limiter {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.checks == nil {
		i.checks, i.looks = rate.NewLimiter(checksASecond, 3), rate.NewLimiter(looksASecond, looksASecond)
	}
	return i.checks
}
