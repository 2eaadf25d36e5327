package status

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func secrets(r Report, to *problems) {
	if len(r.Sources) > 0 && !slices.ContainsFunc(r.Sources, func(one Source) bool { return one.Secret }) {
		to.add("sources", "run crm-bridge connect for a CRM, and set the secrets that it prints", "No source has a secret: every callback is rejected.")
		return
	}
	for _, org := range orgsWithout(r.Sources) {
		to.add("org "+org, "set the secrets of the org (crm-bridge config lists its variables)", "Org %s has no secret for any source: its callbacks are rejected.", org)
	}
}

// orgsWithout returns the further orgs, as <provider> <name>, that have no secret for any source of their provider.
func orgsWithout(sources []Source) (all []string) {
	lacks, has := map[string]int{}, map[string]int{}
	for _, one := range sources {
		has[one.Provider]++
		for _, org := range one.Orgs {
			lacks[one.Provider+" "+org]++
		}
	}
	for org, n := range lacks {
		if provider, _, _ := strings.Cut(org, " "); n == has[provider] {
			all = append(all, org)
		}
	}
	slices.Sort(all)
	return all
}

// forgedInARow is how many callbacks in a row that could not be authenticated are likely a wrong secret. Fewer may be strangers', who knock at
// any public address; the list of sources shows them.
const forgedInARow = 10

func rejections(r Report, to *problems) {
	for _, one := range r.Sources {
		compare := fmt.Sprintf("compare the secret in %s with the bridge's (crm-bridge connect %s shows where it is); the log says what was wrong", one.Provider, one.Provider)
		switch {
		case one.Forged < forgedInARow:
		case !one.Secret:
			to.add("source "+one.Label, fmt.Sprintf("run crm-bridge connect %s, and set the secrets that it prints", one.Provider),
				"%s came for source %s, which has no secret and rejects everything.", count(one.Forged, "callback", "callbacks"), one.Label)
		case one.LastCallback == nil:
			to.add("source "+one.Label, compare,
				"%s of source %s could not be authenticated, and none could: the secret is likely wrong.", count(one.Forged, "callback", "callbacks"), one.Label)
		default:
			to.add("source "+one.Label, compare,
				"The last %s of source %s could not be authenticated: was the secret changed on one side?", count(one.Forged, "callback", "callbacks"), one.Label)
		}
	}
}

// late is how shortly before its end a channel should have been renewed, where its life is not known to be a short one.
const late = 10 * time.Minute

// isLate reports whether a channel should have been renewed, which is due after two thirds of its life.
func isLate(one Channel, now time.Time) bool {
	left, life := one.Expires.Sub(now), one.Expires.Sub(one.Granted)
	return !one.Expires.IsZero() && left < late && (one.Granted.IsZero() || left < life/4)
}

func channels(r Report, to *problems) {
	for _, one := range r.Channels {
		if what := one.problem(r.At); what != "" {
			to.add(fmt.Sprintf("channel %s of %s, account %s", one.ID, one.Provider, one.Account),
				fmt.Sprintf("correct what the problem names, then run crm-bridge channels renew %s --account %s", one.Provider, one.Account), "%s", what)
		}
	}
}

// problem says what of a channel needs a person; empty: nothing does.
func (c Channel) problem(now time.Time) string {
	modules := strings.Join(c.Modules, ", ")
	switch {
	case c.State == "disabled":
		return ""
	case c.State == "lapsed" || c.State == "active" && !c.Expires.IsZero() && !now.Before(c.Expires):
		return fmt.Sprintf("The channel for %s has lapsed, and changes there are not reported%s.", modules, because(c.Problem))
	case c.State == "refused":
		return fmt.Sprintf("The CRM refuses the channel for %s%s.", modules, because(c.Problem))
	case c.Problem != "":
		return fmt.Sprintf("The channel for %s is not renewed%s.", modules, because(c.Problem))
	case isLate(c, now):
		return fmt.Sprintf("The channel for %s expires in %s, and is not renewed.", modules, span(c.Expires.Sub(now)))
	}
	return ""
}

func because(problem string) string {
	if problem == "" {
		return ""
	}
	return ": " + strings.TrimSuffix(problem, ".")
}

// openTooLong is how long a gap may wait to be read from the CRM.
const openTooLong = time.Hour

func gaps(r Report, to *problems) {
	for _, one := range r.Gaps {
		if one.Closed == nil && r.At.Sub(one.Noted) > openTooLong {
			to.add(gapAt(one), "correct what the problem names; the gap is read by itself then. crm-bridge channels shows the last repair",
				"Changes of %s from %s to %s have not been read from the CRM for %s%s.", strings.Join(one.Modules, ", "), when(one.Since), when(one.Until), span(r.At.Sub(one.Noted)), because(one.Problem))
		}
	}
}

// lostFor is how long a gap that cannot be repaired is a problem.
const lostFor = 24 * time.Hour

func lost(r Report, to *problems) {
	for _, one := range r.Gaps {
		if one.State == GapLost && r.At.Sub(*one.Closed) < lostFor {
			to.add(gapAt(one), fmt.Sprintf("look in the CRM for what changed then; this is shown until %s", when(one.Closed.Add(lostFor))),
				"Changes of %s from %s to %s may be lost, because nothing can read them from the CRM%s.", strings.Join(one.Modules, ", "), when(one.Since), when(one.Until), because(one.Problem))
		}
	}
}

func gapAt(one Gap) string { return fmt.Sprintf("gap of %s, account %s", one.Provider, one.Account) }

// recordsLate is how long events may wait for their records.
const recordsLate = 10 * time.Minute

func records(r Report, to *problems) {
	for _, one := range r.Records {
		if late := time.Duration(one.Lag * float64(time.Second)); late > recordsLate && one.Problem != "" {
			to.add(fmt.Sprintf("records of %s, account %s", one.Provider, one.Account), "correct what the problem names: the records are read by themselves then",
				"Events of %s have waited for their records for %s%s.", one.Module, span(late), because(one.Problem))
		}
	}
}
