package zoho

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// coverage is what is remembered of a module's channel. Times are by Zoho's clock.
type coverage struct {
	Channel  string       `json:"channel,omitempty"`  // id of the channel that was enabled last
	Granted  time.Time    `json:"granted,omitzero"`   // when its expiry was given
	Expires  time.Time    `json:"expires,omitzero"`   // as Zoho gave it
	Proven   time.Time    `json:"proven,omitzero"`    // when it was last known to be alive; zero: never
	Lapsed   bool         `json:"lapsed,omitempty"`   // it was found dead after that, and has not been enabled since
	Disabled bool         `json:"disabled,omitempty"` // by a person
	Dropped  time.Time    `json:"dropped,omitzero"`   // when its channel was disabled because no events are configured
	Retire   []string     `json:"retire,omitempty"`   // channels of ours that must still be disabled
	Gaps     []ingest.Gap `json:"gaps,omitempty"`     // found by Watch or a command, and not noted yet
	Problem  string       `json:"problem,omitempty"`
	Refused  bool         `json:"refused,omitempty"` // the problem is Zoho's answer
}

// maxGaps bounds the gaps of a module that are not noted yet; beyond it the last one grows.
const maxGaps = 100

// prove records that the channel was alive at some moment between before and after. The time since it was last known to be alive
// becomes a gap if it was found dead meanwhile, or had expired, or nearly so by a clock that may be wrong.
func (c *coverage) prove(before, after time.Time, clock *ingest.Clock) {
	if !c.Proven.IsZero() && (c.Lapsed || !after.Add(c.tolerance(clock)).Before(c.Expires)) {
		gap := clock.Gap("", "", c.Proven, after)
		if n := len(c.Gaps); n >= maxGaps {
			c.Gaps[n-1].Until = gap.Until
		} else {
			c.Gaps = append(c.Gaps, gap)
		}
	}
	c.Proven, c.Lapsed = before, false
}

// life returns how long Zoho lets the channel live; 0: unknown.
func (c *coverage) life() time.Duration {
	if c.Granted.IsZero() {
		return 0
	}
	return max(0, c.Expires.Sub(c.Granted))
}

// tolerance returns how close to its expiry a channel counts as expired. A channel is renewed at two thirds of its life, so the
// tolerance is much less than the last third, whatever the clocks: otherwise a short channel would never be alive.
func (c *coverage) tolerance(clock *ingest.Clock) time.Duration {
	return min(clock.Tolerance(), c.life()/6)
}

// dropLasting is how long a module must have been dropped for the time until its return not to be a gap. While replicas are
// replaced by others with other events, an old one may drop what a new one has just enabled.
const dropLasting = time.Hour

// drop records that the channel was disabled because its module is not configured; take, that it is configured again.
func (c *coverage) drop(now time.Time) {
	c.Dropped, c.Channel, c.Lapsed = now, "", true
}

func (c *coverage) take(now time.Time) {
	if !c.Dropped.IsZero() && now.Sub(c.Dropped) > dropLasting {
		*c = coverage{}
	}
	c.Dropped = time.Time{}
}

// due returns when to renew: after two thirds of the channel's life.
func (c *coverage) due() time.Time { return c.Granted.Add(c.life() / 3 * 2) }

func (c *coverage) fail(err error) {
	var refused *apiError
	c.Problem, c.Refused = err.Error(), errors.As(err, &refused)
}

func (c *coverage) channel(account, module string, now time.Time) ingest.Channel {
	channel := ingest.Channel{Provider: Provider, Account: account, ID: c.Channel, Modules: []string{module}, State: "lapsed", Expires: c.Expires, Granted: c.Granted, Problem: c.Problem}
	switch {
	case c.Disabled:
		channel.State = "disabled"
	case !c.Lapsed && c.Expires.After(now):
		channel.State = "active"
	case c.Refused:
		channel.State = "refused"
	}
	if channel.State != "active" && c.Expires.After(now) {
		channel.Expires, channel.Granted = time.Time{}, time.Time{} // it ended before
	}
	return channel
}

// coverages are what is remembered of all channels of an account, in one document, so that two replicas that work at the same time
// conflict.
type coverages struct {
	Modules map[string]*coverage `json:"modules"`

	stored   rest.Value[coverages]
	revision uint64
}

// errState says that the state could not be stored, so that nothing more must be done.
var errState = errors.New("the state of the channels")

func loadCoverages(ctx context.Context, store ingest.Store, account string) (*coverages, error) {
	stored := rest.Value[coverages]{Store: store, Key: "zoho.channels." + keyOf(account)}
	m, revision, err := stored.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	if m.stored, m.revision = stored, revision; m.Modules == nil {
		m.Modules = map[string]*coverage{}
	}
	return &m, nil
}

// of returns what is remembered of a module.
func (m *coverages) of(module string) *coverage {
	if m.Modules[module] == nil {
		m.Modules[module] = &coverage{}
	}
	return m.Modules[module]
}

func (m *coverages) save(ctx context.Context) (err error) {
	if m.revision, err = m.stored.Save(ctx, *m, m.revision); err != nil {
		return fmt.Errorf("%w: %w", errState, err)
	}
	return nil
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// keyOf converts a text to a part of a key; an encoded one starts with "=".
func keyOf(text string) string {
	if plainKey.MatchString(text) {
		return text
	}
	return "=" + base64.RawURLEncoding.EncodeToString([]byte(text))
}
