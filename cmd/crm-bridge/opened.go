package main

import (
	"slices"
	"strings"
	"sync"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// opened are CRMs as they are configured.
type opened []*ingest.CRM

// openCRMs opens CRMs, in their order. It returns all problems, each of which names its variable, and the CRMs that have none.
func openCRMs(crms []opener, setup ingest.Setup) (opened, error) {
	var all opened
	var found config.Problems
	for _, open := range crms {
		crm, err := open(setup)
		if found.Add(err); err == nil {
			all = append(all, crm)
		}
	}
	return all, found.Err()
}

// known returns the CRMs with nothing configured, for what does not depend on it, such as help texts.
var known = sync.OnceValue(func() opened {
	all, err := openCRMs(crms, ingest.Setup{
		Env: func(any) error { return nil }, MadeSecret: func(string) (string, error) { return "", nil },
	})
	if err != nil {
		panic(err) // of the program itself
	}
	return all
})

// sources returns the sources of all CRMs.
func (o opened) sources() []ingest.Source {
	var all []ingest.Source
	for _, crm := range o {
		all = append(all, crm.Sources...)
	}
	return all
}

// source returns the source of that label; nil: there is none.
func (o opened) source(label string) ingest.Source {
	for _, source := range o.sources() {
		if source.Label() == label {
			return source
		}
	}
	return nil
}

// crm returns the CRM of that name; nil: there is none.
func (o opened) crm(provider string) *ingest.CRM {
	for _, crm := range o {
		if crm.Provider == provider {
			return crm
		}
	}
	return nil
}

// providers are the names of the CRMs, sorted.
func (o opened) providers() []string {
	var names []string
	for _, crm := range o {
		names = append(names, crm.Provider)
	}
	slices.Sort(names)
	return names
}

// callable are the CRMs whose API the bridge can call, once it has credentials.
func (o opened) callable() opened {
	return slices.DeleteFunc(slices.Clone(o), func(crm *ingest.CRM) bool { return len(crm.Words.Credentials) == 0 })
}

// labels are those of the sources, sorted.
func (o opened) labels() []string {
	var names []string
	for _, source := range o.sources() {
		names = append(names, source.Label())
	}
	slices.Sort(names)
	return names
}

// proofs are the variables whose values authenticate samples.
func (o opened) proofs() []string {
	var names []string
	for _, source := range o.sources() {
		if sampler, ok := source.(ingest.Sampler); ok {
			variable, _ := sampler.Proof()
			names = append(names, variable)
		}
	}
	return names
}

// example writes a text with the names of the first CRM: PROVIDER, MODULE, LABEL of its first source, PROOF for the variable that
// authenticates what that one gets, and LAST for the provider and module of the last CRM.
func (o opened) example(text string) string {
	first, last := o[0], o[len(o)-1]
	return strings.NewReplacer(
		"PROVIDER", first.Provider, "MODULE", first.Words.Module, "LABEL", first.Sources[0].Label(), "PROOF", o.proofs()[0],
		"LAST", last.Provider+"."+last.Words.Module,
	).Replace(text)
}

// enumerate joins words as a sentence does.
func enumerate(words []string, conjunction string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}
