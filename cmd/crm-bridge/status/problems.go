package status

import "fmt"

// problems are those that were found so far.
type problems []Problem

func (p *problems) add(where, fix, what string, args ...any) {
	*p = append(*p, Problem{What: fmt.Sprintf(what, args...), Where: where, Fix: fix})
}
