package console

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// Subscriber is an org of a CRM whose subscriptions the bridge keeps.
type Subscriber struct {
	Provider, Name string   // of the CRM, as in subjects and as people write it
	Account        string   // the org's name; empty: callbacks name their accounts
	Target         string   // what a change can be limited to beside an account; empty: nothing else
	Changes        []string // that it knows: enable, renew, disable
}

// Subscriptions are what the page Channels shows and changes.
type Subscriptions struct {
	Of   []Subscriber
	None string // says how to have the bridge keep subscriptions, where it keeps none
	// Change enables, renews or disables the subscriptions of a target, or all of an account, or all of a provider.
	Change func(ctx context.Context, word, provider, account, target string) error
}

// Channels shows the subscriptions in the CRMs, and changes them.
func Channels(report func(context.Context) status.Report, s Subscriptions) Page {
	page := Page{
		Path: "channels", Title: "Channels", Template: "channels", Every: refreshed, Actions: map[string]Action{},
		View: func(r *http.Request) (any, error) { return channelsOf(report(r.Context()), s, r.URL.Query()), nil },
	}
	for word, change := range changes {
		page.Actions[word] = Action{
			Label: change.label,
			Ask: func(_ context.Context, form url.Values) (Question, error) {
				return Question{Text: change.label + " " + changed(form) + "?", Details: change.details, Back: listPath("channels", narrow(form, channelFilters...))}, nil
			},
			Do: func(ctx context.Context, form url.Values) (string, string, error) {
				err := s.Change(ctx, word, form.Get("provider"), form.Get("account"), form.Get("target"))
				return change.done + " " + changed(form) + ".", listPath("channels", narrow(form, channelFilters...)), err
			},
		}
	}
	return page
}

// changes are what an operator can do with subscriptions, by the word of the command channels.
var changes = map[string]struct {
	label, done string
	details     []string
}{
	"enable":  {"Enable", "Enabled", []string{"The CRM calls again. What changed while it was disabled is not read."}},
	"renew":   {"Renew", "Renewed", []string{"The CRM is asked now, not after two thirds of the life. Disabled ones stay disabled."}},
	"disable": {"Disable", "Disabled", []string{"The CRM stops calling until you enable it again.", "What changes until then is not read from the CRM: it is not a gap."}},
}

// changed says in words which subscriptions a form is about.
func changed(form url.Values) string {
	what := "all subscriptions of " + form.Get("provider")
	if target := form.Get("target"); target != "" {
		what = "the subscription of " + target + " of " + form.Get("provider")
	}
	if account := form.Get("account"); account != "" {
		what += ", account " + account
	}
	return what
}

// channelFilters are the parameters that narrow the list. A form that changes one channel repeats them with a prefix of their own.
var channelFilters = []string{"by-provider", "by-account", "by-state"}

// channels is what the template channels shows.
type channels struct {
	Subscriptions
	By        url.Values
	All       []channel
	Total     int    // that By leaves
	More      int    // that the report does not list
	Next      string // path of the next rows
	Providers []string
}

// channel is a subscription with what can be done about it.
type channel struct {
	status.Channel
	Target  string
	Changes []string
	now     time.Time
}

func channelsOf(report status.Report, s Subscriptions, query url.Values) channels {
	view := channels{Subscriptions: s, By: narrow(query, channelFilters...), More: report.MoreChannels}
	for _, one := range s.Of {
		view.Providers = append(view.Providers, one.Provider)
	}
	view.Providers = slices.Compact(slices.Sorted(slices.Values(view.Providers)))
	left := slices.DeleteFunc(slices.Clone(report.Channels), func(one status.Channel) bool {
		return !leaves(view.By, "by-provider", one.Provider) || !leaves(view.By, "by-account", one.Account) || !inState(one, view.By.Get("by-state"))
	})
	view.Total = len(left)
	left, view.Next = paged(left, "channels", query, view.By)
	for _, one := range left {
		view.All = append(view.All, channelOf(one, s.Of, time.Now()))
	}
	return view
}

// Changeable are the orgs whose subscriptions can be changed.
func (v channels) Changeable() []Subscriber {
	return slices.DeleteFunc(slices.Clone(v.Of), func(s Subscriber) bool { return len(s.Changes) == 0 })
}

// States are the choices of the filter beside all.
func (channels) States() []string {
	return []string{"problem", "active", "lapsed", "refused", "disabled"}
}

func inState(one status.Channel, state string) bool {
	return state == "" || state == one.State || state == "problem" && (one.Problem != "" || one.State == "lapsed" || one.State == "refused")
}

// channelOf finds out what can be done about a subscription by itself.
func channelOf(one status.Channel, subscribers []Subscriber, now time.Time) channel {
	row := channel{Channel: one, now: now}
	i := slices.IndexFunc(subscribers, func(s Subscriber) bool { return s.Provider == one.Provider })
	if i < 0 {
		return row
	}
	if subscribers[i].Target == "module" && len(one.Modules) == 1 {
		row.Target = one.Modules[0]
	}
	for _, word := range subscribers[i].Changes {
		if enable := word == "enable"; enable == (one.State == "disabled") || enable && one.State != "active" {
			row.Changes = append(row.Changes, word)
		}
	}
	return row
}

// What names the subscription, for a person.
func (c channel) What() string {
	return cmp.Or(c.Target, "account "+c.Account)
}

// Left is how much of its life the subscription has left, in percent.
func (c channel) Left() int {
	return max(0, min(100, share(c.Expires.Sub(c.now).Seconds(), c.Expires.Sub(c.Granted).Seconds())))
}

// Expiry says in words when the subscription expires.
func (c channel) Expiry() string {
	switch {
	case c.Expires.IsZero() && c.State == "active":
		return "never"
	case c.Expires.IsZero():
		return "not subscribed"
	case c.Expires.After(c.now):
		return fmt.Sprintf("in %s, at %s", strings.TrimPrefix(fromNow(c.now.Sub(c.Expires)), "in "), c.Expires.UTC().Format("2006-01-02 15:04:05"))
	}
	return "expired at " + c.Expires.UTC().Format("2006-01-02 15:04:05")
}

// Tag is the class of the state's tag.
func (c channel) Tag() string {
	switch {
	case c.State == "disabled":
		return ""
	case c.State == "active" && c.Problem == "":
		return "good"
	case c.State == "active":
		return "warn"
	}
	return "bad"
}

// Life reports whether it is known how long the subscription lives.
func (c channel) Life() bool {
	return c.State == "active" && c.Expires.After(c.Granted) && !c.Granted.IsZero()
}

// Fields are those of a form that changes subscriptions, and then comes back to the same list.
func (v channels) Fields(provider, account, target string) map[string]string {
	fields := map[string]string{"provider": provider, "account": account, "target": target}
	for name := range v.By {
		fields[name] = v.By.Get(name)
	}
	return fields
}
