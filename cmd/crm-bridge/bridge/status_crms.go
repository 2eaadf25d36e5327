package bridge

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
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

// known returns a moment; nil for one that never was.
func known(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
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
	slices.SortStableFunc(r.Channels, func(a, b status.Channel) int { return rank(a) - rank(b) })
	slices.SortStableFunc(r.Gaps, func(a, b status.Gap) int {
		if a.Closed == nil || b.Closed == nil {
			return cmp.Compare(closedRank(a), closedRank(b))
		}
		return b.Closed.Compare(*a.Closed)
	})
	r.Channels, r.MoreChannels = first(r.Channels)
	r.Gaps, r.MoreGaps = first(r.Gaps)
	return failed
}

// rank puts channels that need a person first.
func rank(one status.Channel) int {
	if one.Problem != "" || one.State != "active" && one.State != "disabled" {
		return 0
	}
	return 1
}

func closedRank(one status.Gap) int {
	if one.Closed == nil {
		return 0
	}
	return 1
}

// first returns what of a list is in a report, and how many are not.
func first[T any](all []T) ([]T, int) {
	if more := len(all) - status.MaxListed; more > 0 {
		return all[:status.MaxListed], more
	}
	return all, 0
}

// plain returns the text of an error as people read it.
func plain(text string) string {
	if text == "" {
		return ""
	}
	return terminal.Plainly(errors.New(text))
}

// gapsOf returns gaps as they are reported: those of several modules with one cause and one span are one.
func gapsOf(provider string, repairs keep.Repairs) (all []status.Gap) {
	for _, one := range slices.Concat(repairs.Open, repairs.Closed) {
		gap := status.Gap{
			Provider: provider, Account: one.Account, Modules: []string{one.Module}, Since: one.Since, Until: one.Until, Noted: one.Noted,
			Cause: one.Cause, State: stateOf(one), Closed: known(one.Closed), Records: one.Records, Problem: plain(one.Problem),
		}
		same := slices.IndexFunc(all, func(other status.Gap) bool {
			return other.Account == gap.Account && other.State == gap.State && other.Cause == gap.Cause && other.Problem == gap.Problem &&
				other.Since.Equal(gap.Since) && other.Until.Equal(gap.Until)
		})
		if same < 0 {
			all = append(all, gap)
			continue
		}
		all[same].Modules, all[same].Records = append(all[same].Modules, one.Module), all[same].Records+one.Records
		slices.Sort(all[same].Modules)
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
