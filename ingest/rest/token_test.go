package rest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

var errMissing = errors.New("nothing is installed")

// server is an OAuth server whose refresh tokens work once.
type server struct {
	mu     sync.Mutex
	made   int
	valid  string // the refresh token that works
	reused int    // refresh tokens that were shown again
	takes  time.Duration

	onExchange func() // nil: nothing happens meanwhile
}

func (s *server) exchange(_ context.Context, have Grant) (Grant, error) {
	time.Sleep(s.takes)
	if s.onExchange != nil {
		s.onExchange()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if have.RefreshToken != s.valid {
		s.reused++
		return Grant{}, fmt.Errorf("%w: invalid_grant", ErrRefused)
	}
	s.made++
	s.valid = fmt.Sprint("refresh-", s.made)
	return Grant{AccessToken: fmt.Sprint("access-", s.made), RefreshToken: s.valid, Expires: time.Now().Add(time.Hour)}, nil
}

func (s *server) replica(store ingest.Store) *Token[Grant] {
	return &Token[Grant]{
		Value: Value[Grant]{Store: store, Key: "token"}, Grant: func(g *Grant) *Grant { return g }, Exchange: s.exchange, Missing: errMissing,
	}
}

func installed(t *testing.T, s *server) *ingest.Memory {
	t.Helper()
	store := &ingest.Memory{}
	s.valid = "refresh-0"
	if _, err := (Value[Grant]{Store: store, Key: "token"}).Save(t.Context(), Grant{AccessToken: "access-0", RefreshToken: s.valid}, 0); err != nil {
		t.Fatal(err)
	}
	return store
}

// Many calls in many replicas that were refused with the same token exchange the refresh token once.
func TestTokenIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: 3 * time.Second}
		store := installed(t, s)
		var all sync.WaitGroup
		for range 8 {
			replica := s.replica(store)
			for range 3 {
				all.Go(func() {
					have, err := replica.Get(t.Context())
					if err != nil || have.AccessToken != "access-0" {
						t.Errorf("%+v, %v", have, err)
					}
					time.Sleep(time.Second)
					if have, err = replica.Renew(t.Context(), have.AccessToken); err != nil || have.AccessToken != "access-1" {
						t.Errorf("%+v, %v", have, err)
					}
				})
			}
		}
		all.Wait()
		if s.made != 1 || s.reused != 0 {
			t.Errorf("%d were made, %d refresh tokens were shown again", s.made, s.reused)
		}
	})
}

// A replica that dies with the claim delays the others, by their own clocks, whatever it says when it would be done.
func TestClaimOfTheDead(t *testing.T) {
	for _, claimed := range []time.Duration{-9 * time.Hour, 9 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{}
			store := installed(t, s)
			if _, err := s.replica(store).Value.Update(t.Context(), func(g *Grant) error {
				g.Claimed = time.Now().Add(claimed)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			have, err := s.replica(store).Renew(t.Context(), "access-0")
			if took := time.Since(began); err != nil || have.AccessToken != "access-1" || took < claimFor || took > claimFor+time.Second {
				t.Errorf("after %s: %+v, %v", took, have, err)
			}
		})
	}
}

// A refresh token that was refused permanently is not shown again within an hour, by any replica; what is installed again is used.
func TestRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		store := installed(t, s)
		s.valid = "another"
		for range 3 {
			if _, err := s.replica(store).Renew(t.Context(), "access-0"); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
				t.Errorf("%v", err)
			}
		}
		if s.reused != 1 {
			t.Errorf("shown %d times", s.reused)
		}
		time.Sleep(refusedFor)
		s.valid = "refresh-0"
		if have, err := s.replica(store).Renew(t.Context(), "access-0"); err != nil || have.AccessToken != "access-1" {
			t.Errorf("%+v, %v", have, err)
		}
		if _, err := s.replica(&ingest.Memory{}).Get(t.Context()); !errors.Is(err, errMissing) {
			t.Errorf("nothing is stored: %v", err)
		}
	})
}

// A grant that arrives while somebody stores a younger one gives way to it.
func TestYoungerGrantWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: 3 * time.Second}
		store := installed(t, s)
		replica := s.replica(store)
		var done sync.WaitGroup
		done.Go(func() {
			if have, err := replica.Renew(t.Context(), "access-0"); err != nil || have.AccessToken != "installed" {
				t.Errorf("%+v, %v", have, err)
			}
		})
		time.Sleep(time.Second)
		if _, err := replica.Value.Update(t.Context(), func(g *Grant) error {
			*g = Grant{AccessToken: "installed", RefreshToken: "younger"}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		done.Wait()
	})
}

// Requests for a token are counted over all replicas, and a token is renewed before its end.
func TestTokensAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made, store := 0, &ingest.Memory{}
		replica := func() *Token[Grant] {
			return &Token[Grant]{
				Value: Value[Grant]{Store: store, Key: "token"}, Grant: func(g *Grant) *Grant { return g }, Early: 5 * time.Minute, Limit: 3, Window: 10 * time.Minute,
				Exchange: func(context.Context, Grant) (Grant, error) {
					made++
					return Grant{AccessToken: fmt.Sprint("access-", made), Expires: time.Now().Add(time.Hour)}, nil
				},
			}
		}
		for range 3 {
			have, err := replica().Get(t.Context())
			if err == nil {
				_, err = replica().Renew(t.Context(), have.AccessToken)
			}
			if err != nil && made < 3 {
				t.Error(err)
			}
		}
		have, err := replica().Get(t.Context())
		if err != nil || have.AccessToken != "access-3" {
			t.Fatalf("%+v, %v", have, err)
		}
		if _, err := replica().Renew(t.Context(), "access-3"); err == nil || !strings.Contains(err.Error(), "3 access tokens were requested within 10 minutes") || made != 3 {
			t.Errorf("%d were made, %v", made, err)
		}
		time.Sleep(56 * time.Minute)
		if have, err := replica().Get(t.Context()); err != nil || have.AccessToken != "access-4" {
			t.Errorf("%+v, %v", have, err)
		}
	})
}

// offline is a store that cannot be reached for a while.
type offline struct {
	ingest.Store
	mu  sync.Mutex
	now bool
}

func (o *offline) set(now bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = now
}

func (o *offline) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now {
		return 0, errors.New("the store is unreachable")
	}
	return o.Store.Save(ctx, key, value, revision)
}

// A grant that could not be stored is not lost when another replica has claimed the document meanwhile, and a caller has no time to
// store it: the next one does.
func TestGrantOutlivesClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		store := installed(t, s)
		reach := &offline{Store: store}
		replica := s.replica(reach)
		s.onExchange = func() { reach.set(true) }
		if _, err := replica.Renew(t.Context(), "access-0"); err == nil {
			t.Error("it was stored")
		}
		reach.set(false)
		if _, err := s.replica(store).Value.Update(t.Context(), func(g *Grant) error {
			g.Claimed = time.Now().Add(time.Second)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if have, err := replica.Get(short); err == nil {
			t.Errorf("used before it was stored: %+v", have)
		}
		if have, err := replica.Get(t.Context()); err != nil || have.AccessToken != "access-1" {
			t.Errorf("%+v, %v", have, err)
		}
	})
}
