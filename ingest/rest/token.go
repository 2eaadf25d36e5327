package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// Grant is what an OAuth server gave, and what is known of the requests for it. The document that replicas share is or embeds one.
type Grant struct {
	AccessToken  string      `json:"access_token,omitempty"`
	RefreshToken string      `json:"refresh_token,omitempty"` // where each grant brings one; otherwise it is configured
	Expires      time.Time   `json:"expires,omitzero"`        // of the access token
	Claimed      time.Time   `json:"claimed,omitzero"`        // a replica is exchanging the refresh token; when it should be done
	Refused      time.Time   `json:"refused,omitzero"`        // when the server last refused the refresh token permanently
	Reason       string      `json:"reason,omitempty"`        // why
	Asked        []time.Time `json:"asked,omitempty"`         // when tokens were requested, in the last Window
}

// Token is an access token that replicas share. One of them at a time exchanges the refresh token: it claims the stored document
// with a compare-and-swap, which also shows that the store takes writes, and the others wait for the result. A new grant is
// stored before anybody uses it. Set the fields once.
type Token[D any] struct {
	Value Value[D]
	Grant func(*D) *Grant // in the document
	// Exchange shows the refresh token to the OAuth server and returns the new document. Its error is ErrRefused where asking
	// again would be in vain.
	Exchange func(ctx context.Context, have D) (D, error)
	// Missing is the error where no refresh token is stored. nil: the refresh token is configured and works many times.
	Missing error
	Early   time.Duration // how long before its end a token is renewed; 0: only when Renew is called
	Limit   int           // requests for a token within Window, of all replicas; 0: no limit
	Window  time.Duration

	mu      sync.Mutex
	unsaved *unsaved[D]
}

// errTouched says that a claim, or the end of one, came between: what is stored is still the document that is to be replaced.
var errTouched = errors.New("another replica has just changed the stored token")

// ErrRefused says that the OAuth server refused a refresh token permanently.
var ErrRefused = errors.New("the refresh token was refused")

const (
	// claimFor is how long the others wait for a replica that has claimed the exchange. It is measured by their own clocks, from
	// when they first see the claim.
	claimFor = 40 * time.Second
	// exchangeFor is how long an exchange, and storing its answer, may take.
	exchangeFor = claimFor - 5*time.Second
	// refusedFor is how long a refresh token is not shown again after it was refused permanently: an OAuth server may block
	// applications that ask too often.
	refusedFor = time.Hour
	// claimPoll is the pause between two looks at another replica's claim.
	claimPoll = 250 * time.Millisecond
)

// unsaved is a new document that could not be stored yet, although the refresh token that it replaces may no longer work.
type unsaved[D any] struct {
	value    D
	replaces string // the old access token
	revision uint64
}

// Get returns the document with an access token that may be used now.
func (t *Token[D]) Get(ctx context.Context) (D, error) {
	have, _, err := t.load(ctx)
	grant := t.Grant(&have)
	if err == nil && !t.fresh(grant) {
		return t.Renew(ctx, grant.AccessToken)
	}
	return have, err
}

// Renew returns the document with another access token than stale, which the API refused or which is about to expire.
func (t *Token[D]) Renew(ctx context.Context, stale string) (D, error) {
	have, revision, mine, err := t.claim(ctx, stale)
	if err != nil || !mine {
		return have, err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeFor)
	defer cancel()
	work := ctx
	if t.Missing != nil {
		work = last // too late to give up halfway: the refresh token works once
	}
	next, err := t.Exchange(work, have)
	if err != nil {
		return next, t.failed(last, have, revision, err)
	}
	t.Grant(&next).Asked = t.Grant(&have).Asked
	err = t.store(last, unsaved[D]{next, t.Grant(&have).AccessToken, revision})
	if errors.Is(err, ingest.ErrConflict) { // somebody has stored a younger grant, as after a new installation
		next, _, err = t.load(ctx)
	}
	return next, err
}

// failed gives up the claim after an exchange that failed.
func (t *Token[D]) failed(ctx context.Context, have D, revision uint64, cause error) error {
	grant := t.Grant(&have)
	grant.Claimed = time.Time{}
	if errors.Is(cause, ErrRefused) {
		grant.Refused, grant.Reason = time.Now().UTC(), cause.Error()
		cause = grant.refusal()
	}
	_, err := t.Value.Save(ctx, have, revision)
	if errors.Is(err, ingest.ErrConflict) {
		err = nil
	}
	return errors.Join(cause, err)
}

// claim loads the document, and claims it if its access token is stale. mine is false where another replica has renewed it.
func (t *Token[D]) claim(ctx context.Context, stale string) (have D, revision uint64, mine bool, err error) {
	var seen uint64
	var since time.Time
	for conflicts := 0; conflicts < maxConflicts; {
		if have, revision, err = t.load(ctx); err != nil {
			return have, 0, false, err
		}
		grant := t.Grant(&have)
		if grant.AccessToken != stale && t.fresh(grant) {
			return have, revision, false, nil
		}
		if time.Since(grant.Refused) < refusedFor {
			return have, 0, false, grant.refusal()
		}
		if revision != seen || since.IsZero() {
			seen, since = revision, time.Now()
		}
		if !grant.Claimed.IsZero() && time.Since(since) < claimFor {
			if err := retry.Sleep(ctx, claimPoll); err != nil {
				return have, 0, false, err
			}
			continue
		}
		if err := t.count(grant); err != nil {
			return have, 0, false, err
		}
		grant.Claimed = time.Now().Add(claimFor).UTC()
		if revision, err = t.Value.Save(ctx, have, revision); !errors.Is(err, ingest.ErrConflict) {
			return have, revision, true, err
		}
		conflicts++
	}
	return have, 0, false, err
}

// count notes another request for a token, if the limit permits it.
func (t *Token[D]) count(grant *Grant) error {
	if t.Limit == 0 {
		return nil
	}
	now := time.Now().UTC()
	grant.Asked = slices.DeleteFunc(grant.Asked, func(at time.Time) bool { return now.Sub(at).Abs() >= t.Window })
	if len(grant.Asked) >= t.Limit {
		next := slices.MinFunc(grant.Asked, time.Time.Compare).Add(t.Window)
		return fmt.Errorf("%d access tokens were requested within %.0f minutes, which is the limit; the next can be requested at %s",
			t.Limit, t.Window.Minutes(), next.Format(time.RFC3339))
	}
	grant.Asked = append(grant.Asked, now)
	return nil
}

// load reads the document. What could not be stored earlier is stored first.
func (t *Token[D]) load(ctx context.Context) (have D, revision uint64, err error) {
	t.mu.Lock()
	waiting := t.unsaved
	t.mu.Unlock()
	if waiting != nil {
		if err := t.store(ctx, *waiting); err != nil && !errors.Is(err, ingest.ErrConflict) {
			return have, 0, err
		}
	}
	have, revision, err = t.Value.Load(ctx)
	if err == nil && t.Missing != nil && t.Grant(&have).RefreshToken == "" {
		err = t.Missing
	}
	return have, revision, err
}

// store stores a new document. Where the store fails it is remembered, and nobody uses it before it is stored. ErrConflict means
// that the one that it replaces is no longer there, and what is there is younger.
func (t *Token[D]) store(ctx context.Context, u unsaved[D]) error {
	err := retry.Policy{Attempts: 5, First: 200 * time.Millisecond}.Do(ctx, func() (again bool, after time.Duration, err error) {
		if _, err = t.Value.Save(ctx, u.value, u.revision); !errors.Is(err, ingest.ErrConflict) {
			return true, 0, err
		}
		have, revision, failed := t.Value.Load(ctx)
		if failed != nil {
			return true, 0, failed
		}
		u.revision = revision
		if t.Grant(&have).AccessToken == u.replaces {
			return true, 0, errTouched
		}
		return false, 0, err
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unsaved = nil
	if err != nil && !errors.Is(err, ingest.ErrConflict) {
		t.unsaved = &u
	}
	return err
}

// ExpiresIn returns when an access token that was requested at a moment expires, by the expires_in of the answer: an hour later
// where that is absent or implausible.
func ExpiresIn(requested time.Time, seconds json.Number) time.Time {
	n, err := seconds.Int64()
	if err != nil || n <= 0 || n > 24*3600 {
		n = 3600
	}
	return requested.Add(time.Duration(n) * time.Second).UTC()
}

func (t *Token[D]) fresh(grant *Grant) bool {
	return grant.AccessToken != "" && (t.Early == 0 || time.Until(grant.Expires) > t.Early)
}

func (g *Grant) refusal() error {
	return fmt.Errorf("%s (last asked at %s)", g.Reason, g.Refused.Format(time.RFC3339))
}
