package bitrix24

import (
	"context"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// learnt is a token as it was stored at a moment.
type learnt struct {
	token string
	at    time.Time
}

// look is one look into the store for a portal's token, for all that wait for it.
type look struct {
	done  chan struct{}
	token string
	ok    bool
}

const (
	learntFor  = 30 * time.Second       // then a token is read from the store again
	looksApart = 100 * time.Millisecond // between two looks for one portal's token
	unreadFor  = time.Minute            // between two log lines about a store that cannot be read
)

// TokensFor returns the application_tokens that prove a portal's callbacks; nil where it has none. It is as the store had
// it half a minute ago at most.
func (i *Installations) TokensFor(ctx context.Context, member string) []string {
	if !i.isConfigured(member) {
		return nil
	}
	token, fresh := i.remembered(member)
	if !fresh {
		if stored, ok := i.look(ctx, member); ok {
			token = stored
		}
	}
	if token == "" {
		return nil
	}
	return []string{token}
}

// Proves reports whether token proves a callback of a portal. An unknown token is looked up in the store,
// for another replica may have taken the installation a moment ago.
func (i *Installations) Proves(ctx context.Context, member, token string) bool {
	if !i.isConfigured(member) || token == "" {
		return false
	}
	known, fresh := i.remembered(member)
	if fresh && ingest.MatchesAny(token, []string{known}) {
		return true
	}
	stored, ok := i.look(ctx, member)
	if !ok {
		stored = known
	}
	return ingest.MatchesAny(token, []string{stored})
}

// remembered returns a portal's token as it was last read, and whether that was lately.
func (i *Installations) remembered(member string) (token string, fresh bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	known, ok := i.known[member]
	return known.token, ok && time.Since(known.at) <= learntFor
}

// look returns a portal's token as the store has it after the call, empty where it has none; ok is false where that cannot be
// read. All who ask meanwhile share one look, and there are ten a second at most, whatever strangers send.
func (i *Installations) look(ctx context.Context, member string) (token string, ok bool) {
	i.mu.Lock()
	if shared := i.looks[member]; shared != nil {
		i.mu.Unlock()
		select {
		case <-shared.done:
			return shared.token, shared.ok
		case <-ctx.Done():
			return "", false
		}
	}
	if i.looks == nil {
		i.looks, i.looked = map[string]*look{}, map[string]time.Time{}
	}
	mine := &look{done: make(chan struct{})}
	i.looks[member] = mine
	wait := looksApart - time.Since(i.looked[member])
	i.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkFor) // the others wait for it
	defer cancel()
	defer close(mine.done)
	if wait > 0 {
		_ = rest.Sleep(ctx, wait)
	}
	i.mu.Lock()
	i.looked[member] = time.Now()
	delete(i.looks, member) // who comes from now on wants to see what is stored from now on
	i.mu.Unlock()
	have, _, err := i.Client.stored(member).Load(ctx)
	if err != nil {
		i.notRead(member, err)
		return "", false
	}
	i.learn(member, have.ApplicationToken)
	mine.token, mine.ok = have.ApplicationToken, true
	return mine.token, mine.ok
}

// notRead notes that a portal's token cannot be read, and logs it once a minute.
func (i *Installations) notRead(member string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.unread == nil {
		i.unread = map[string]time.Time{}
	}
	if last, ok := i.unread[member]; !ok || time.Since(last) > unreadFor {
		i.Client.log().Error("application token cannot be read", "portal", member, "error", err)
		i.unread[member] = time.Now()
	}
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

// isUnread reports whether a portal's token could not be read, so that nothing can be said of one that is not known.
func (i *Installations) isUnread(member string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, unread := i.unread[member]
	return unread
}

// isConfigured reports whether a portal is one of Portals.
func (i *Installations) isConfigured(member string) bool {
	for _, portal := range i.Portals {
		if portal == member && member != "" {
			return true
		}
	}
	return false
}
