package client

import (
	"context"
	"fmt"
	"iter"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// listers list what changed in accounts of several orgs of a CRM.
type listers struct {
	accounts []string
	of       map[string]*ingest.CRM // by account
}

// listersOf returns the listers of an account, or of all accounts if it is empty. account may be an org's name, or one of its accounts.
func listersOf(orgs bridge.CRMs, account string) (*listers, error) {
	all := &listers{of: map[string]*ingest.CRM{}}
	named := orgs.OfAccount(account)
	if len(named) == 0 && orgs.Accounts() == "" {
		named = orgs // without credentials no account is known
	}
	if len(named) == 0 {
		return nil, fmt.Errorf("%w: %s has no account %q; it has %s", terminal.ErrUsage, orgs[0].Provider, account, orgs.Accounts())
	}
	for _, crm := range named {
		if crm.Lister == nil {
			continue
		}
		for _, one := range crm.Accounts {
			if account == "" || account == one || account == crm.Account {
				all.accounts, all.of[one] = append(all.accounts, one), crm
			}
		}
	}
	if len(all.accounts) == 0 {
		return nil, fmt.Errorf("no credentials for the API of %s: set %s", named[0].Provider, bridge.Enumerate(named[0].Words.Credentials, "and"))
	}
	return all, nil
}

// Changed implements ingest.Lister.
func (l *listers) Changed(ctx context.Context, q ingest.Query) iter.Seq2[ingest.Page, error] {
	crm := l.of[q.Account]
	return func(yield func(ingest.Page, error) bool) {
		for page, err := range crm.Lister.Changed(ctx, q) {
			for i := range page.Changes {
				page.Changes[i].Org = crm.Org
			}
			if !yield(page, crm.Explain(err)) {
				return
			}
		}
	}
}

// Clock returns the clock of an account's CRM; ours where none is known.
func (l *listers) Clock(ctx context.Context, account string) (*ingest.Clock, error) {
	crm := l.of[account]
	if crm.Clock == nil {
		return &ingest.Clock{}, nil
	}
	clock, err := crm.Clock(ctx, account)
	return clock, crm.Explain(err)
}
