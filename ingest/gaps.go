package ingest

import "fmt"

// Gaps are gaps that a CRM's package remembers until they are noted, one for each module of an account.
type Gaps []Gap

// Add adds a gap. A module that has one keeps one, which then spans both.
func (g *Gaps) Add(gap Gap) {
	for i := range *g {
		if one := &(*g)[i]; one.Account == gap.Account && one.Module == gap.Module {
			if gap.Since.Before(one.Since) {
				one.Since = gap.Since
			}
			if gap.Until.After(one.Until) {
				one.Until = gap.Until
			}
			return
		}
	}
	*g = append(*g, gap)
}

// Note notes the gaps, and forgets each that is noted.
func (g *Gaps) Note(note func(Gap) error) error {
	for len(*g) > 0 {
		if err := note((*g)[0]); err != nil {
			return fmt.Errorf("note a gap of %s: %w", (*g)[0].Module, err)
		}
		*g = (*g)[1:]
	}
	return nil
}
