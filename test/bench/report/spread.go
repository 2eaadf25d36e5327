// Package report writes what was measured.
package report

import (
	"fmt"
	"slices"
)

// Spread is the range of a figure over several rounds.
type Spread struct{ Least, Middle, Greatest float64 }

// SpreadOf returns the spread of a figure over all rounds; it is unknown without rounds, or if all are 0.
func SpreadOf[T any](rounds []T, of func(T) float64) Spread {
	if len(rounds) == 0 {
		return Spread{}
	}
	values := make([]float64, len(rounds))
	for i, round := range rounds {
		values[i] = of(round)
	}
	slices.Sort(values)
	middle := (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	return Spread{values[0], middle, values[len(values)-1]}
}

// Known reports whether something was measured.
func (s Spread) Known() bool { return s != Spread{} }

// With formats a spread with a verb for its numbers and a unit after its median.
func (s Spread) With(verb, unit string) string {
	if !s.Known() {
		return "–"
	}
	return fmt.Sprintf(verb+"%s ("+verb+"–"+verb+")", s.Middle, unit, s.Least, s.Greatest)
}
