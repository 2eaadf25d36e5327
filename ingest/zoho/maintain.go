package zoho

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// listing is the list of channels, if it was read.
type listing struct {
	rows          []listedChannel
	before, after time.Time
	read          bool
}

func (c *Channels) list(ctx context.Context) (listing, error) {
	start := time.Now()
	rows, err := c.Client.listChannels(ctx, "")
	before, after := c.window(start)
	return listing{rows, before, after, err == nil}, err
}

// find returns the row of a channel and module that has not expired.
func (l listing) find(id, module string) (listedChannel, bool) {
	i := slices.IndexFunc(l.rows, func(row listedChannel) bool {
		return row.ID == id && row.Module == module && row.Expires.After(l.after)
	})
	if i < 0 {
		return listedChannel{}, false
	}
	return l.rows[i], true
}

// maintain makes sure that a module's channel is alive and as configured, and renews it when it is due, or at once.
func (c *Channels) maintain(ctx context.Context, m *coverages, w ingest.ModuleEvents, listed listing, atOnce bool) error {
	kept := m.of(w.Module)
	if kept.Disabled {
		return nil
	}
	err := c.maintainOne(ctx, m, kept, w, listed, atOnce)
	if err != nil && !errors.Is(err, errState) {
		kept.fail(err)
		c.reconciled = time.Time{} // the list of channels will show what the answer did not
		if saved := m.save(ctx); saved != nil {
			return errors.Join(err, saved)
		}
	}
	return err
}

func (c *Channels) maintainOne(ctx context.Context, m *coverages, kept *coverage, w ingest.ModuleEvents, listed listing, atOnce bool) error {
	kept.take(c.Client.now())
	id := channelID(c.Secrets[0], c.Account, w.Module)
	row, there := listed.find(id, w.Module)
	switch {
	case there:
		granted := kept.Granted
		if !row.Expires.Equal(kept.Expires) || kept.Channel != id {
			granted = time.Time{} // its life is unknown, so it is renewed at once
		}
		if err := c.alive(ctx, m, kept, id, row.Expires, granted, listed.before, listed.after); err != nil {
			return err
		}
		if !c.asWanted(row, w) {
			return c.renew(ctx, m, kept, w, id, http.MethodPut)
		}
	case listed.read:
		if _, there := listed.find(kept.Channel, w.Module); !there {
			if err := c.dead(ctx, m, kept); err != nil {
				return err
			}
		}
		return c.ask(ctx, m, kept, w, id, http.MethodPost)
	}
	if !atOnce && kept.Channel == id && !kept.Lapsed && c.Client.now().Before(kept.due()) {
		return nil
	}
	return c.renew(ctx, m, kept, w, id, http.MethodPatch)
}

// asWanted reports whether a channel in the list is as the bridge would enable it.
func (c *Channels) asWanted(row listedChannel, w ingest.ModuleEvents) bool {
	return slices.Equal(row.Operations, w.Operations) && row.NotifyURL == notifyURL(c.PublicURL, c.Secrets[0], row.ID) &&
		row.Token == channelToken(c.Secrets[0], row.ID) && !row.Related
}

// renew sends the whole channel again, by PATCH, or by PUT where it is not as configured. A channel that answers NOT_SUBSCRIBED is
// enabled again, and the time without it becomes a gap. So is a channel whose expiry a success did not extend.
func (c *Channels) renew(ctx context.Context, m *coverages, kept *coverage, w ingest.ModuleEvents, id, method string) error {
	old, own := kept.Expires, kept.Channel == id
	err := c.ask(ctx, m, kept, w, id, method)
	switch {
	case refusedWith(err, notSubscribed):
		if own { // otherwise only its id is new, and the old one may be alive
			if err := c.dead(ctx, m, kept); err != nil {
				return err
			}
		}
		return c.ask(ctx, m, kept, w, id, http.MethodPost)
	case err == nil && own && !kept.Expires.After(old) && kept.life() < lives(c.Client.Version)[0]/2:
		return c.ask(ctx, m, kept, w, id, http.MethodPost)
	}
	return err
}

// ask requests the channel with the longest expiry that Zoho accepts, and stores the expiry that came back.
func (c *Channels) ask(ctx context.Context, m *coverages, kept *coverage, w ingest.ModuleEvents, id, method string) error {
	var expires, start time.Time
	var err error
	for _, life := range c.wishes(kept, method) {
		if life == 0 && method == http.MethodPatch {
			break
		}
		began := time.Now()
		given, failed := c.Client.subscribe(ctx, method, c.wish(w, id, life))
		if failed != nil && !expires.IsZero() {
			break // the earlier answer stands
		}
		expires, start, err = given, began, failed
		if err == nil && expires.Sub(c.Client.now()) < life/2 {
			method = http.MethodPatch // it was too long; a shorter one may be granted in full
			continue
		}
		var refused *apiError
		if !errors.As(err, &refused) || refused.Code != "INVALID_DATA" || refused.Field != "channel_expiry" {
			break
		}
	}
	if errors.Is(err, errUnconfirmed) {
		if expires, err = c.confirm(ctx, id, w.Module); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	before, after := c.window(start)
	if !expires.After(after) {
		return fmt.Errorf("Zoho returned an expiry in the past, %s: %w", formatTime(expires), errUnconfirmed)
	}
	c.log().InfoContext(ctx, "zoho: channel subscribed", "method", method, "channel", id, "module", w.Module, "expires", expires)
	if replaced := kept.Channel; replaced != "" && replaced != id && !slices.Contains(kept.Retire, replaced) {
		kept.Retire = append(kept.Retire, replaced)
	}
	return c.alive(ctx, m, kept, id, expires, before, before, after)
}

// confirm reads from the list of channels whether a channel is alive, if the answer to a request did not say.
func (c *Channels) confirm(ctx context.Context, id, module string) (time.Time, error) {
	rows, err := c.Client.listChannels(ctx, id)
	if err != nil {
		return time.Time{}, err
	}
	row, there := listing{rows: rows, after: c.Client.now()}.find(id, module)
	if !there {
		return time.Time{}, errUnconfirmed
	}
	return row.Expires, nil
}

// lives returns the spans to request, the longest first: a day for v2 and v3, a week from v4 on (actions/watch, channel_expiry),
// each less an hour, because clocks differ and Zoho grants only an hour beyond the longest.
func lives(v Version) []time.Duration {
	const day = 24 * time.Hour
	if v.since("v4") {
		return []time.Duration{7*day - time.Hour, day - time.Hour, 50 * time.Minute, 9 * time.Minute}
	}
	return []time.Duration{day - time.Hour, 50 * time.Minute, 9 * time.Minute}
}

// shortLife is the life below which a renewal requests only a little more than was granted.
const shortLife = 20 * time.Minute

// wishes returns the spans to request in turn, until one is granted; 0 leaves the span to Zoho. A PATCH has no such last wish, because it
// may keep the expiry that it omits.
func (c *Channels) wishes(kept *coverage, method string) []time.Duration {
	life := kept.life()
	switch {
	case method != http.MethodPatch:
		return append(lives(c.Client.Version), 0)
	case 0 < life && life < shortLife:
		return []time.Duration{life / 2 * 3, life, life / 4 * 3}
	}
	return lives(c.Client.Version)
}

func (c *Channels) wish(w ingest.ModuleEvents, id string, life time.Duration) wish {
	asked := wish{
		ID: id, Events: eventNames(w), Token: channelToken(c.Secrets[0], id), NotifyURL: notifyURL(c.PublicURL, c.Secrets[0], id), module: w.Module,
	}
	if life > 0 {
		asked.Expiry = formatTime(c.Client.now().Add(life))
	}
	if c.Client.Version.since("v3") {
		yes := true
		asked.Values = &yes
	}
	return asked
}

// alive stores that a channel was alive between before and after, and when its expiry was granted.
func (c *Channels) alive(ctx context.Context, m *coverages, kept *coverage, id string, expires, granted, before, after time.Time) error {
	gaps := len(kept.Gaps)
	kept.prove(before, after, &c.Client.clock)
	kept.Channel, kept.Expires, kept.Granted, kept.Problem, kept.Refused = id, expires, granted, "", false
	if len(kept.Gaps) > gaps {
		gap := kept.Gaps[gaps]
		c.log().WarnContext(ctx, "zoho: a channel lapsed and is alive again", "channel", id, "since", gap.Since, "until", gap.Until)
	}
	return m.save(ctx)
}

// dead stores that the channel is not alive, before anything is done about it: if the answer to the next request were lost, the
// channel would look as if it had never lapsed.
func (c *Channels) dead(ctx context.Context, m *coverages, kept *coverage) error {
	if kept.Lapsed || kept.Proven.IsZero() {
		return nil
	}
	kept.Lapsed = true
	return m.save(ctx)
}
