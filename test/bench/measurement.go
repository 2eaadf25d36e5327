package main

import (
	"time"

	"github.com/crm-bridge/crm-bridge/test/bench/report"
)

// measurement is one subject under one workload.
type measurement struct {
	rate     float64       // answers a second
	p50, p99 time.Duration // latency
	cpu      time.Duration // of the server, for each request
	own      time.Duration // of this program, for each request
	peak     int64         // maximum bytes of memory, since its start
	disk     float64       // bytes of all files, for each callback
	ids      int           // in the duplicates window
	refused  int           // not answered with 200
}

// lone is the latencies of a single caller on an idle machine: medians.
type lone struct {
	sync    time.Duration // 1 KiB appended to a file, and fdatasync
	publish time.Duration // a publish to a NATS server in the same process, and fdatasync of the stream's block
	always  time.Duration // a publish to one with SyncAlways
}

// profile is where commit spends its CPU time under one workload.
type profile struct {
	workload    workload
	cpu         time.Duration      // for each request
	shares      map[string]float64 // of all samples, by part of the program
	allocations float64            // share of samples that allocate, in all parts
}

// results are those of a run; the index of each list is the round.
type results struct {
	began    time.Time
	measured map[cell][]measurement
	idle     []int64 // bytes of memory of an idle bridge
	lone     []lone
	profiles []profile
}

func rate(m measurement) float64 { return m.rate }
func cpu(m measurement) float64  { return us(m.cpu) }
func p50(m measurement) float64  { return ms(m.p50) }
func peak(m measurement) float64 { return mb(m.peak) }

// ratio compares a subject with another round by round, so that other load on the machine affects both.
func (r *results) ratio(above, below cell, of func(measurement) float64) report.Spread {
	var ratios []float64
	for round := range min(len(r.measured[above]), len(r.measured[below])) {
		if divisor := of(r.measured[below][round]); divisor > 0 {
			ratios = append(ratios, of(r.measured[above][round])/divisor)
		}
	}
	return report.SpreadOf(ratios, func(x float64) float64 { return x })
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func mb(bytes int64) float64     { return float64(bytes) / 1e6 }
