package bridge

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/publish/records"
)

// sources reports what came of callbacks, for each source in the order of the CRMs.
func (p *reporter) sources() (all []status.Source) {
	seen := p.received.Seen()
	for _, crm := range p.crms.first() {
		for _, source := range crm.Sources {
			one := status.Source{Label: source.Label(), Provider: crm.Provider, Outcomes: map[string]uint64{}}
			one.Secret, one.Orgs = p.secretsOf(crm.Provider, source.Label())
			for _, of := range seen {
				if of.Source != one.Label {
					continue
				}
				if one.Forged = of.Forged; of.Outcomes != nil {
					one.Outcomes = of.Outcomes
				}
				one.LastCallback = known(of.Last)
				for _, rejected := range of.Rejections {
					one.Rejections = append(one.Rejections, status.Rejection(rejected))
				}
			}
			all = append(all, one)
		}
	}
	return all
}

// secretsOf reports whether an org has a secret for a source, and names the further ones that have none.
func (p *reporter) secretsOf(provider, label string) (has bool, without []string) {
	for _, crm := range p.crms.OfProvider(provider) {
		if _, source := (CRMs{crm}).Source(label, crm.Org); source != nil && hasSecret(source) {
			has = true
		} else if crm.Org != "" {
			without = append(without, cmp.Or(crm.Account, crm.Org))
		}
	}
	return has, without
}

// subscriptions reports the channels in the CRMs, and the gaps in their callbacks.
func (p *reporter) subscriptions(ctx context.Context, r *status.Report) (failed error) {
	r.Channels, r.Gaps = []status.Channel{}, []status.Gap{}
	if p.channels.keeper == nil {
		return nil
	}
	for _, crm := range p.crms.kept() {
		lines, repairs, err := p.channels.linesOf(ctx, crm)
		failed = errors.Join(failed, crm.Explain(err))
		for i := range lines {
			lines[i].Problem = plain(lines[i].Problem)
		}
		r.Channels, r.Gaps = append(r.Channels, lines...), append(r.Gaps, gapsOf(crm.Provider, repairs)...)
	}
	return failed
}

// sameGap is what gaps of several modules that are reported as one have in common.
type sameGap struct {
	account, state, cause, problem string
	since, until                   time.Time
}

// gapsOf returns gaps as they are reported: those of several modules with one cause and one span are one.
func gapsOf(provider string, repairs keep.Repairs) (all []status.Gap) {
	at := map[sameGap]int{}
	for _, one := range slices.Concat(repairs.Open, repairs.Closed) {
		gap := status.Gap{
			Provider: provider, Account: one.Account, Modules: []string{one.Module}, Since: one.Since, Until: one.Until, Noted: one.Noted,
			Cause: one.Cause, State: stateOf(one), Closed: known(one.Closed), Records: one.Records, Problem: plain(one.Problem),
		}
		same := sameGap{gap.Account, gap.State, gap.Cause, gap.Problem, gap.Since.Round(0).UTC(), gap.Until.Round(0).UTC()}
		i, found := at[same]
		if !found {
			at[same], all = len(all), append(all, gap)
			continue
		}
		all[i].Modules, all[i].Records = append(all[i].Modules, one.Module), all[i].Records+one.Records
	}
	for _, gap := range all {
		slices.Sort(gap.Modules)
	}
	return all
}

func stateOf(one keep.Repair) string {
	switch {
	case !one.Closed.IsZero() && one.Problem != "":
		return status.GapLost
	case !one.Closed.IsZero():
		return status.GapRepaired
	case one.Problem != "":
		return status.GapFailing
	}
	return status.GapWaiting
}

// recordsKept reports the modules whose records are kept.
func recordsKept(keepers []*records.Keeper) []status.Record {
	all := []status.Record{}
	for _, keeper := range keepers {
		for _, one := range keeper.Kept() {
			all = append(all, status.Record{
				Provider: keeper.Provider, Account: one.Account, Module: one.Module, Kept: one.Stored, Lag: one.Lag.Seconds(), Paused: known(one.Until), Problem: plain(one.Problem),
			})
		}
	}
	return all
}

// clocks reports the clocks of CRMs, as far as repairs have asked for them.
func (p *reporter) clocks() (all []status.Clock) {
	if p.channels.keeper == nil {
		return nil
	}
	for _, one := range p.channels.keeper.Clocks() {
		all = append(all, status.Clock{Provider: one.Provider, Account: one.Account, Ahead: one.Ahead.Seconds()})
	}
	return all
}
