package bridge

import (
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// CRMs are open CRMs, as they are configured: one of each for its first org, and one for each further org.
type CRMs []*ingest.CRM

// Source returns the source of that label, and the CRM's org, whose CRM.Org is empty for the first; nil: there is none.
func (c CRMs) Source(label, org string) (*ingest.CRM, ingest.Source) {
	for _, crm := range c {
		for _, source := range crm.Sources {
			if source.Label() == label && crm.Org == org {
				return crm, source
			}
		}
	}
	return nil, nil
}

// Sources returns the sources of all CRMs.
func (c CRMs) Sources() []ingest.Source {
	var all []ingest.Source
	for _, crm := range c {
		all = append(all, crm.Sources...)
	}
	return all
}

// CRM returns the first org of the CRM of that name; nil: there is none.
func (c CRMs) CRM(provider string) *ingest.CRM {
	for _, crm := range c {
		if crm.Provider == provider {
			return crm
		}
	}
	return nil
}

// Providers returns the names of the CRMs, sorted.
func (c CRMs) Providers() []string {
	var names []string
	for _, crm := range c {
		names = append(names, crm.Provider)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Callable returns the CRMs whose API the bridge can call, once it has credentials.
func (c CRMs) Callable() CRMs {
	return slices.DeleteFunc(slices.Clone(c), func(crm *ingest.CRM) bool { return len(crm.Words.Credentials) == 0 })
}

// Subscribable returns the CRMs whose subscriptions the bridge can keep, once it has credentials.
func (c CRMs) Subscribable() CRMs {
	return slices.DeleteFunc(slices.Clone(c), func(crm *ingest.CRM) bool { return crm.Words.Wanted == "" })
}

// first returns the first orgs.
func (c CRMs) first() CRMs {
	return slices.DeleteFunc(slices.Clone(c), func(crm *ingest.CRM) bool { return crm.Org != "" })
}

// further returns the orgs beside the first ones.
func (c CRMs) further() CRMs {
	return slices.DeleteFunc(slices.Clone(c), func(crm *ingest.CRM) bool { return crm.Org == "" })
}

// kept returns the CRMs for which the bridge keeps subscriptions, repairs or empties queues.
func (c CRMs) kept() CRMs {
	return slices.DeleteFunc(slices.Clone(c), func(crm *ingest.CRM) bool { return !crm.Keeps() })
}

// Labels returns the labels of the sources, sorted.
func (c CRMs) Labels() []string {
	var names []string
	for _, source := range c.Sources() {
		names = append(names, source.Label())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Proofs returns the variables whose values authenticate samples.
func (c CRMs) Proofs() []string {
	var names []string
	for _, crm := range c {
		for _, source := range crm.Sources {
			if variable, _, ok := crm.Proof(source); ok {
				names = append(names, variable)
			}
		}
	}
	return names
}

// Example writes a text with the names of the first CRM: PROVIDER, MODULE, LABEL of its first source, PROOF for the variable that
// authenticates what that one gets, and LAST for the provider and module of the last CRM.
func (c CRMs) Example(text string) string {
	first, last := c[0], c[len(c)-1]
	return strings.NewReplacer(
		"PROVIDER", first.Provider, "MODULE", first.Words.Module, "LABEL", first.Sources[0].Label(), "PROOF", c.Proofs()[0],
		"LAST", last.Provider+"."+last.Words.Module,
	).Replace(text)
}

// Enumerate joins words as a sentence does.
func Enumerate(words []string, conjunction string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}
