package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// Gaps shows the spans in which callbacks were missed, and what came of their repairs.
func Gaps(report func(context.Context) status.Report) Page {
	return Page{
		Path: "gaps", Title: "Gaps", Template: "gaps", Every: refreshed,
		View: func(r *http.Request) (any, error) { return gapsOf(report(r.Context()), r.URL.Query()), nil },
	}
}

// gapFilters are the parameters that narrow the list of gaps.
var gapFilters = []string{"provider", "account", "state"}

// gaps is what the template gaps shows.
type gaps struct {
	By        url.Values
	Open      []gap
	Closed    []gap
	More      int    // that the report does not list
	Next      string // path of the next closed ones
	Providers []string
}

// States are the choices of the filter beside all.
func (gaps) States() []string {
	return []string{status.GapWaiting, status.GapFailing, status.GapRepaired, status.GapLost}
}

func gapsOf(report status.Report, query url.Values) gaps {
	view := gaps{By: narrow(query, gapFilters...), More: report.MoreGaps}
	var closed []gap
	for _, one := range report.Gaps {
		view.Providers = append(view.Providers, one.Provider)
		switch {
		case !leaves(view.By, "provider", one.Provider) || !leaves(view.By, "account", one.Account) || !leaves(view.By, "state", one.State):
		case one.Closed == nil:
			view.Open = append(view.Open, gap{one})
		default:
			closed = append(closed, gap{one})
		}
	}
	view.Providers = slices.Compact(slices.Sorted(slices.Values(view.Providers)))
	view.Closed, view.Next = paged(closed, "gaps", query, view.By)
	return view
}

// gap is a gap, in words.
type gap struct{ status.Gap }

// Tag is the class of the state's tag.
func (g gap) Tag() string {
	return map[string]string{status.GapWaiting: "warn", status.GapFailing: "bad", status.GapRepaired: "good", status.GapLost: "bad"}[g.State]
}

// Length is how long the gap is.
func (g gap) Length() string { return inWords(g.Until.Sub(g.Since)) }

// How says what was done about the gap.
func (g gap) How() string {
	switch g.State {
	case status.GapWaiting:
		return "will be read from the CRM; what was missed becomes events with crmorigin=repair"
	case status.GapFailing:
		return "reading it from the CRM failed, and is tried again"
	case status.GapRepaired:
		return "read from the CRM, as events with crmorigin=repair"
	case status.GapLost:
		return "nothing can read it from the CRM"
	}
	return ""
}

// plainWord matches what a shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

// Commands are those that read the gap from the CRM, once its problem is solved; empty: it needs none.
func (g gap) Commands() string {
	if g.State != status.GapFailing && g.State != status.GapLost {
		return ""
	}
	var all []string
	for _, module := range g.Modules {
		all = append(all, fmt.Sprintf("crm-bridge backfill %s --account %s --module %s --since %s --until %s", quoted(g.Provider), quoted(g.Account), quoted(module),
			g.Since.UTC().Format(time.RFC3339), g.Until.UTC().Add(time.Second-1).Format(time.RFC3339)))
	}
	return strings.Join(all, "\n")
}

// quoted returns a text as one word of a shell.
func quoted(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
