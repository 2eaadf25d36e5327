package records

import (
	"cmp"
	"slices"
	"time"
)

// Kept is what becomes of the records of a module of an account.
type Kept struct {
	Account string // empty: no event of the module has come since the start
	Module  string
	Stored  uint64        // states, since the start
	Lag     time.Duration // how long the oldest event has waited for its records
	Until   time.Time     // when the CRM's API is asked again, after a failure; zero: it did not fail
	Problem string        // why it failed
}

// Kept returns what becomes of the modules whose records are kept.
func (k *Keeper) Kept() (all []Kept) {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := map[string]bool{}
	for _, l := range k.lanes {
		all, seen[l.module] = append(all, l.kept()), true
	}
	for _, module := range k.Modules {
		if !seen[module] {
			all = append(all, Kept{Module: module})
		}
	}
	slices.SortFunc(all, func(a, b Kept) int { return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Module, b.Module)) })
	return all
}

// kept returns what becomes of the records of the lane.
func (l *lane) kept() Kept {
	lag, _ := l.waiting()
	kept := Kept{Account: l.account, Module: l.module, Stored: l.stored.Load(), Lag: lag}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing > 0 {
		kept.Until, kept.Problem = l.until, l.problem
	}
	return kept
}
