package bridge

import (
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// accountsOf returns the accounts of a CRM, sorted: those whose API it calls, else its org's name.
func accountsOf(crm *ingest.CRM) []string {
	all := slices.Concat(crm.Accounts, crm.Targets)
	if len(all) == 0 && crm.Account != "" {
		return []string{crm.Account}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// OfProvider returns the orgs of a provider.
func (c CRMs) OfProvider(provider string) CRMs {
	return slices.DeleteFunc(slices.Clone(c), func(crm *ingest.CRM) bool { return crm.Provider != provider })
}

// OfAccount returns the orgs that an account names: by their own name, or as one of theirs. An empty one names all.
func (c CRMs) OfAccount(account string) CRMs {
	return slices.DeleteFunc(slices.Clone(c), func(crm *ingest.CRM) bool {
		return account != "" && account != crm.Account && !slices.Contains(accountsOf(crm), account)
	})
}

// namesOrg reports whether an account names all accounts of an org: it is empty, the org's own name, or the only one of its accounts.
func namesOrg(crm *ingest.CRM, account string) bool {
	return account == "" || account == crm.Account || len(crm.Accounts) == 1 && account == crm.Accounts[0]
}

// SourceOf returns the source of a label for the org that is called account in events, or for the first if that is empty; nil: there
// is none.
func (c CRMs) SourceOf(label, account string) (*ingest.CRM, ingest.Source) {
	for _, crm := range c.OfAccount(account) {
		if _, source := (CRMs{crm}).Source(label, crm.Org); source != nil {
			return crm, source
		}
	}
	return nil, nil
}

// Accounts returns the accounts of all CRMs, for a person: comma-separated, in the order of the orgs.
func (c CRMs) Accounts() string {
	var names []string
	for _, crm := range c {
		names = append(names, accountsOf(crm)...)
	}
	return strings.Join(names, ", ")
}
