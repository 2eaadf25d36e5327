package main

import (
	"fmt"
	"slices"
)

// spread is the range of a figure over several rounds.
type spread struct{ least, middle, greatest float64 }

// spreadOf returns the spread of a figure over all rounds; it is unknown without rounds, or if all are 0.
func spreadOf[T any](rounds []T, of func(T) float64) spread {
	if len(rounds) == 0 {
		return spread{}
	}
	values := make([]float64, len(rounds))
	for i, round := range rounds {
		values[i] = of(round)
	}
	slices.Sort(values)
	middle := (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	return spread{values[0], middle, values[len(values)-1]}
}

func (s spread) known() bool { return s != spread{} }

// with formats a spread with a verb for its numbers and a unit after its median.
func (s spread) with(verb, unit string) string {
	if !s.known() {
		return "–"
	}
	return fmt.Sprintf(verb+"%s ("+verb+"–"+verb+")", s.middle, unit, s.least, s.greatest)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
