package main

import "time"

// plan is what a run measures.
type plan struct {
	parts       []string // of the tables, in their order
	subjects    []subject
	connections []int
	sizes, ids  []int // of the tables about bodies and records
	rounds      int
	warm, load  time.Duration
	dir         string // that contains the folders of the servers
	program     string // the built bridge
	profiled    string // the bridge, built to profile itself
	callback    callback
}

// cell is one cell of a table: a subject under a workload.
type cell struct {
	subject string
	workload
}

// The parts of a run, in the order of the tables.
const (
	partTable   = "table"
	partAlone   = "alone"
	partBodies  = "bodies"
	partRecords = "records"
	partProfile = "profile"
)

var parts = []string{partTable, partAlone, partBodies, partRecords, partProfile}

// fewConnections send bodies of several sizes, and callbacks that name several records.
const fewConnections = 16

// workloads returns what a part of the tables sends.
func (p plan) workloads(part string) (all []workload) {
	switch part {
	case partTable:
		for _, n := range p.connections {
			all = append(all, workload{connections: n, ids: 1})
		}
	case partBodies:
		for _, n := range p.sizes {
			all = append(all, workload{connections: fewConnections, ids: 1, size: n})
		}
	case partRecords:
		for _, n := range p.ids {
			all = append(all, workload{connections: fewConnections, ids: n, perRecord: true})
		}
	}
	return all
}

// measures returns the subjects of a part of the tables.
func (p plan) measures(part string) (all []subject) {
	for _, s := range p.subjects {
		build := s.bridge && (s.name == committed || s.file != "")
		if part == partTable || build || part == partBodies && s.name == floorNoSync {
			all = append(all, s)
		}
	}
	return all
}
