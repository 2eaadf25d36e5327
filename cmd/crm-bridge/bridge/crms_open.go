package bridge

import (
	"log/slog"
	"slices"
	"sync"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// Opening opens CRMs as an environment configures them. Set the fields once.
type Opening struct {
	Env   *config.Environment
	Setup ingest.Setup      // for every org; its Env and Wake are set for each
	Wake  func(*ingest.CRM) // has the subscriptions of a CRM checked soon; nil: nothing does
}

// Open opens CRMs, in their order: each for its first org, which is there even if nothing is configured for it, and for each further org
// that BRIDGE_<CRM>_ACCOUNTS names. It returns all problems, also those that Env had before, and the CRMs that have none.
func (o Opening) Open(crms []Opener) (all CRMs, err error) {
	for _, open := range crms {
		orgs := &config.Orgs{Env: o.Env}
		crm, err := o.open(open, func(setup *ingest.Setup) {
			setup.Env = orgs.First
			ofOrg(setup, orgs.FirstOrg())
		})
		if o.Env.Problems.Add(err); err == nil {
			crm.Account = orgs.Account()
			all = append(all, crm)
		}
		for _, org := range orgs.Further() {
			crm, err := o.open(open, func(setup *ingest.Setup) {
				ofFurther(setup, orgs.Provider(), org)
				ofOrg(setup, org)
			})
			if err != nil {
				o.Env.Problems.Add(renamed(org, err))
				continue
			}
			crm.Org, crm.Account, crm.Rename = org.Key(), org.Account(), org.Rename
			rename(crm)
			all = append(all, crm)
		}
		o.Env.Problems.Add(orgs.Check())
	}
	return all, o.Env.Problems.Err()
}

// open opens a CRM with a Setup of its own.
func (o Opening) open(open Opener, change func(*ingest.Setup)) (crm *ingest.CRM, err error) {
	setup := o.Setup
	if o.Wake != nil {
		setup.Wake = func() { o.Wake(crm) }
	}
	change(&setup)
	crm, err = open(setup)
	return crm, err
}

// ofFurther makes a Setup that of a further org: its own variables, state and log.
func ofFurther(setup *ingest.Setup, provider string, org *config.Org) {
	setup.Env, setup.Account = org.Load, org.Name
	setup.State = setup.State.OfOrg(provider, org.Key())
	if setup.Log != nil {
		setup.Log = setup.Log.With(slog.String("org", org.Key()))
	}
}

// ofOrg has a Setup make the secrets of an org, and the org know them.
func ofOrg(setup *ingest.Setup, org *config.Org) {
	made := setup.MadeSecret
	setup.MadeSecret = func(name string) (string, error) {
		file := ingest.OrgFile(name, org.Key())
		secret, err := made(file)
		org.Made(file, secret)
		return secret, err
	}
}

// renamed returns the problems of an org's configuration with the variables of the org.
func renamed(org *config.Org, err error) error {
	crm := &ingest.CRM{Rename: org.Rename}
	var found config.Problems
	for _, one := range config.Each(err) {
		found.Add(crm.Explain(one))
	}
	return found.Err()
}

// rename puts the variables of the CRM's org in place of the first org's in its words.
func rename(crm *ingest.CRM) {
	words := &crm.Words
	for _, variables := range []*[]string{&words.Credentials, &words.Subscriber} {
		*variables = slices.Clone(*variables)
		for i, variable := range *variables {
			(*variables)[i] = crm.Rename(variable)
		}
	}
	words.Wanted = crm.Rename(words.Wanted)
}

// Known returns the CRMs with nothing configured, for what does not depend on it, such as help texts.
var Known = sync.OnceValue(func() (all CRMs) {
	for _, open := range Openers {
		crm, err := open(ingest.Setup{Env: func(any) error { return nil }, MadeSecret: func(string) (string, error) { return "", nil }})
		if err != nil {
			panic(err) // a fault of the program itself
		}
		all = append(all, crm)
	}
	return all
})

// OpenerOf returns what opens the CRM of a provider; nil: there is none.
func OpenerOf(provider string) Opener {
	for i, crm := range Known() {
		if crm.Provider == provider {
			return Openers[i]
		}
	}
	return nil
}
