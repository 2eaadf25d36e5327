package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
)

// noChannels says what makes a bridge keep channels.
func (c CRMs) noChannels() string {
	var each []string
	for _, crm := range c.Subscribable() {
		each = append(each, crm.Provider+" "+Enumerate(crm.Words.Subscribing(), "and"))
	}
	return "this bridge keeps no subscriptions; set for " + strings.Join(each, "; for ")
}

// changeTimeout bounds a change of channels: each takes a request or two to the CRM.
const changeTimeout = 2 * time.Minute

// channels answers the command channels.
type channels struct {
	keeper *keep.Keeper // nil: none are kept
	crms   CRMs
	last   *lastCallbacks
	log    *slog.Logger
}

// routes returns what the command requests.
func (c *channels) routes() map[string]http.HandlerFunc {
	kept := func(do http.HandlerFunc) http.HandlerFunc {
		if c.keeper != nil {
			return do
		}
		return func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusNotFound, map[string]string{"error": Known().noChannels()})
		}
	}
	return map[string]http.HandlerFunc{
		"GET /channels": kept(func(w http.ResponseWriter, r *http.Request) {
			c.listChannels(r.Context(), w, r.URL.Query().Get("account"))
		}),
		"POST /channels/{change}": kept(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), changeTimeout)
			defer cancel()
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(changeTimeout + lineTimeout))
			query := r.URL.Query()
			if err := c.changeChannels(ctx, r.PathValue("change"), query.Get("provider"), query.Get("account"), query.Get("target")); err != nil {
				writeJSON(w, http.StatusBadGateway, map[string]string{"error": terminal.Plainly(err)})
				return
			}
			c.listChannels(ctx, w, query.Get("account"))
		}),
	}
}

// listChannels writes the channels of an account, or all if it is empty.
func (c *channels) listChannels(ctx context.Context, w http.ResponseWriter, account string) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	encoder := terminal.JSONEncoder(w)
	for _, crm := range c.crms.kept() {
		lines, _, err := c.linesOf(ctx, crm)
		for _, line := range lines {
			if account == line.Account || namesOrg(crm, account) {
				_ = encoder.Encode(line)
			}
		}
		if err != nil {
			_ = encoder.Encode(map[string]string{"error": terminal.Plainly(err)})
			return
		}
	}
}

// linesOf returns the channels of a CRM's org as they are listed, and the org's gaps.
func (c *channels) linesOf(ctx context.Context, crm *ingest.CRM) (lines []status.Channel, gaps keep.Repairs, err error) {
	all, err := c.keeper.Channels(ctx, crm)
	if err != nil {
		return nil, gaps, err
	}
	gaps, err = c.keeper.Repairs(ctx, crm)
	for _, channel := range all {
		line := status.Channel{Channel: channel, LastCallback: c.last.of(channel)}
		if at := gaps.Last(channel); !at.IsZero() {
			line.LastRepair = &at
		}
		lines = append(lines, line)
	}
	return lines, gaps, err
}

// changeChannels enables, renews or disables the channels of a target in a CRM, or all of them, in the orgs that an account names, or
// in all.
func (c *channels) changeChannels(ctx context.Context, word, provider, account, target string) error {
	orgs := c.crms.kept().OfProvider(provider)
	if len(orgs) == 0 {
		return fmt.Errorf("this bridge keeps no subscriptions of %q", provider)
	}
	named := orgs.OfAccount(account)
	if len(named) == 0 {
		named = c.withChannels(ctx, orgs, account)
	}
	if len(named) == 0 {
		return fmt.Errorf("%s has no account %q whose subscriptions this bridge keeps; it has %s", provider, account, orgs.Accounts())
	}
	var errs []error
	for _, crm := range named {
		of, err := targetOf(crm, account, target)
		if err == nil {
			err = c.changeOrg(ctx, crm, word, of)
		}
		if errs = append(errs, crm.Explain(err)); err != nil && len(named) > 1 {
			errs[len(errs)-1] = fmt.Errorf("account %s: %w", strings.Join(accountsOf(crm), ", "), crm.Explain(err))
		}
	}
	return errors.Join(errs...)
}

// withChannels returns the orgs that keep channels of an account, which some learn only from their CRM.
func (c *channels) withChannels(ctx context.Context, orgs CRMs, account string) CRMs {
	return slices.DeleteFunc(slices.Clone(orgs), func(crm *ingest.CRM) bool {
		all, err := c.keeper.Channels(ctx, crm)
		return err != nil || !slices.ContainsFunc(all, func(channel ingest.Channel) bool { return channel.Account == account })
	})
}

// targetOf returns the target of a change for an account, which may be a target itself.
func targetOf(crm *ingest.CRM, account, target string) (string, error) {
	switch {
	case account == crm.Account || account == target || !slices.Contains(crm.Targets, account):
		return target, nil
	case target == "":
		return account, nil
	}
	return "", fmt.Errorf("%q is not the account %q: name one of them", target, account)
}

func (c *channels) changeOrg(ctx context.Context, crm *ingest.CRM, word, target string) error {
	change, ok := crm.Changes[word]
	if !ok {
		return fmt.Errorf("subscriptions of %s have no %s", crm.Provider, word)
	}
	c.log.Info("channels are changed by hand", "change", word, "source", crm.Key(), "target", target)
	channels, err := change(ctx, target)
	if channels == nil && err == nil {
		channels, err = c.expected(ctx, crm, word, target)
	}
	if len(channels) > 0 {
		err = errors.Join(err, c.keeper.Remember(ctx, crm, channels))
	}
	return errors.Join(err, c.keeper.Wake(ctx, crm))
}

// expected returns the channels of a CRM as they are after a change of a portal's, or of all portals', until the next Watch
// reports them.
func (c *channels) expected(ctx context.Context, crm *ingest.CRM, word, target string) (expected []ingest.Channel, err error) {
	all, err := c.keeper.Channels(ctx, crm)
	for _, channel := range all {
		changed := target == "" || target == channel.Account
		switch {
		case changed && word == "disable":
			channel.State, channel.Problem = "disabled", ""
		case changed && word == "enable" && channel.State == "disabled":
			channel.State = "lapsed"
		}
		expected = append(expected, channel)
	}
	return expected, err
}

// maxLastCallbacks bounds the modules whose last callback is remembered.
const maxLastCallbacks = 10000

// lastCallbacks remembers when callbacks last came.
type lastCallbacks struct {
	mu      sync.Mutex
	at      map[[2]string]map[string]time.Time // by provider and account, then by module
	modules int
}

// note remembers when callbacks reported changes.
func (l *lastCallbacks) note(changes []ingest.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = map[[2]string]map[string]time.Time{}
	}
	for _, change := range changes {
		if change.Origin != ingest.Live {
			continue
		}
		account := [2]string{change.Provider, change.Account}
		of := l.at[account]
		if _, known := of[change.Module]; !known {
			if l.modules == maxLastCallbacks {
				continue
			}
			l.modules++
		}
		if of == nil {
			of = map[string]time.Time{}
			l.at[account] = of
		}
		of[change.Module] = change.ReceivedAt
	}
}

// of returns when a callback last came for one of a channel's modules; nil: none has.
func (l *lastCallbacks) of(channel ingest.Channel) *time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var last time.Time
	for module, at := range l.at[[2]string{channel.Provider, channel.Account}] {
		is := func(one string) bool { return strings.EqualFold(one, module) }
		if at.After(last) && slices.ContainsFunc(channel.Modules, is) {
			last = at
		}
	}
	if last.IsZero() {
		return nil
	}
	return &last
}
