package main

import (
	"fmt"
	"path/filepath"
)

// plan is what a run measures, and on which stores.
type plan struct {
	events, subjects, quarantined, ids, records, rounds int
	dir                                                 string // of the stores
	program                                             string // the built bridge
}

// store is the folder of the store with so many events.
func (p plan) store() string {
	return filepath.Join(p.dir, fmt.Sprintf("%d-events-%d-subjects-%d-quarantined", p.events, p.subjects, p.quarantined))
}
