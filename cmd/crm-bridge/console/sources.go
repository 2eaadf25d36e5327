package console

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// Served is a source that the bridge serves.
type Served struct {
	Label  string
	Routes []string // such as "GET, POST /acme/webhooks"
	Proofs []Proof  // one for each org of the CRM
}

// Proof is what authenticates the callbacks of a source in an org.
type Proof struct {
	Account  string // the org's name; empty: the CRM has one org, or its callbacks name their accounts
	Variable string // sets the secret; empty: none does
	File     string // of the data folder: holds the secret where the variable is not set; empty: none does
	Set      bool   // there is a secret
	Learns   bool   // there is none, but the bridge may learn it from the CRM, as from an installation
}

// Sources shows what came of the callbacks of each source, and what authenticates them.
func Sources(report func(context.Context) status.Report, served func() []Served) Page {
	return Page{
		Path: "sources", Title: "Sources", Template: "sources", Every: refreshed,
		View: func(r *http.Request) (any, error) {
			now := report(r.Context())
			view := sources{Report: now}
			for _, one := range served() {
				view.All = append(view.All, sourceOf(one, now.Sources))
			}
			slices.SortStableFunc(view.All, func(a, b source) int { return cmp.Compare(a.rank(), b.rank()) })
			return view, nil
		},
	}
}

// sources is what the template sources shows.
type sources struct {
	status.Report
	All []source
}

// source is what is known of a source.
type source struct {
	Served
	Seen status.Source
}

func sourceOf(served Served, seen []status.Source) source {
	i := slices.IndexFunc(seen, func(s status.Source) bool { return s.Label == served.Label })
	if i < 0 {
		return source{Served: served}
	}
	return source{served, seen[i]}
}

// rank puts sources that need a person first, and those that nothing ever came to last.
func (s source) rank() int {
	switch {
	case s.Seen.Forged > 0:
		return 0
	case len(s.Seen.Outcomes) > 0:
		return 1
	case s.Secret():
		return 2
	}
	return 3
}

// Secret reports whether any org has a secret, or may learn one.
func (s source) Secret() bool {
	return slices.ContainsFunc(s.Proofs, func(p Proof) bool { return p.Set || p.Learns })
}

// outcome is how many callbacks had an outcome.
type outcome struct {
	Name  string
	Count uint64
}

// Outcomes are how many callbacks had each outcome, the most frequent first.
func (s source) Outcomes() (all []outcome) {
	for name, count := range s.Seen.Outcomes {
		if count > 0 {
			all = append(all, outcome{name, count})
		}
	}
	slices.SortFunc(all, func(a, b outcome) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return all
}

// Variables are those that set secrets, each once, for a text.
func (s source) Variables() []string {
	all := map[string]bool{}
	for _, proof := range s.Proofs {
		if proof.Variable != "" {
			all[proof.Variable] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
