package config

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// MemoryLimit is how much memory the process may use.
type MemoryLimit struct {
	Limit int64  // bytes; 0: it is not limited
	From  string // what limits it: "GOMEMLIMIT" or "the control group"
}

// ProcessMemory reads the limit of the control group, those above it included, and GOMEMLIMIT; the lower one counts.
func ProcessMemory() MemoryLimit {
	var m MemoryLimit
	if limit, err := memlimit.FromCgroup(); err == nil && limit < math.MaxInt64 { // an error: there is no such limit here
		m = MemoryLimit{int64(limit), "the control group"}
	}
	if limit := debug.SetMemoryLimit(-1); os.Getenv("GOMEMLIMIT") != "" && limit < math.MaxInt64 && (m.Limit == 0 || limit < m.Limit) {
		m = MemoryLimit{limit, "GOMEMLIMIT"}
	}
	return m
}

// LimitGo has the garbage collector keep within three quarters of the control group's limit: the rest is for what Go does not
// count, such as the kernel's buffers. It returns Go's limit. GOMEMLIMIT goes before it.
func (m MemoryLimit) LimitGo() int64 {
	if m.Limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(m.Limit / 4 * 3)
	}
	return debug.SetMemoryLimit(-1)
}

const (
	// mostInFlightBytes bounds the default of BRIDGE_MAX_IN_FLIGHT_BYTES.
	mostInFlightBytes = 256 << 20
	// mostConnections bounds the default of BRIDGE_MAX_CONNECTIONS.
	mostConnections = 8192
	// connectionMemory is the memory for each connection of that default. An idle one takes about 20 KiB, over TLS 50 KiB.
	connectionMemory = 128 << 10
	// AdminConnections bounds the connections of the admin address.
	AdminConnections = 128
	// mostReaders bounds the connections of the embedded NATS' readers, and readerMemory is the memory for each.
	mostReaders  = 1024
	readerMemory = 1 << 20
)

// InFlightBytes is BRIDGE_MAX_IN_FLIGHT_BYTES or its default.
func (s Settings) InFlightBytes(m MemoryLimit) int64 {
	switch {
	case s.MaxInFlightBytes > 0:
		return int64(s.MaxInFlightBytes)
	case m.Limit > 0:
		return min(m.Limit/4, mostInFlightBytes)
	}
	return mostInFlightBytes
}

// CheckInFlightBytes returns an error for a BRIDGE_MAX_IN_FLIGHT_BYTES with which a crowd of callbacks would take more memory than there
// is: while they are processed they hold as much again, and Go keeps within three quarters of the limit.
func (s Settings) CheckInFlightBytes(m MemoryLimit) error {
	if most := m.Limit / 8 * 3; m.Limit > 0 && int64(s.MaxInFlightBytes) > most {
		return fmt.Errorf("BRIDGE_MAX_IN_FLIGHT_BYTES (%s) must not be more than %s, three eighths of the memory limit of %s: lower it, leave it unset, or raise that limit",
			s.MaxInFlightBytes, Size(most), m.From)
	}
	return nil
}

// Connections is BRIDGE_MAX_CONNECTIONS or its default, for a process that may open so many files (0: any number). A quarter
// of them, and at least 256, stay for the store, NATS and the admin address; of fewer than 512 files it is a half.
func (s Settings) Connections(m MemoryLimit, files int) (int, error) {
	free := mostConnections
	if files > 0 {
		free = max(1, files-min(files/2, max(256, files/4)))
	}
	if int(s.MaxConnections) > free && files > 0 {
		return 0, fmt.Errorf("BRIDGE_MAX_CONNECTIONS must be at most %d: the process may open %d files, and %d of them are reserved for the store and NATS; raise that limit (ulimit -n, LimitNOFILE) or lower BRIDGE_MAX_CONNECTIONS", free, files, files-free)
	}
	switch {
	case s.MaxConnections > 0:
		return int(s.MaxConnections), nil
	case m.Limit > 0:
		free = min(free, max(16, int(m.Limit/connectionMemory)))
	}
	return min(free, mostConnections), nil
}

// RequestsAtOnce is BRIDGE_MAX_IN_FLIGHT, or three quarters of the connections where that is less: a new request must come in to
// have the slowest one cut.
func (s Settings) RequestsAtOnce(connections int) int {
	return min(s.MaxInFlight, max(1, connections-(connections+3)/4))
}

// Readers is how many connections readers may have to the embedded NATS: half of the files that neither callbacks nor the
// admin address may use, for the store needs the others.
func (s Settings) Readers(m MemoryLimit, files int) (int, error) {
	callbacks, err := s.Connections(m, files)
	most := mostReaders
	if files > 0 {
		most = min(most, (files-callbacks-AdminConnections)/2)
	}
	if m.Limit > 0 {
		most = min(most, int(m.Limit/readerMemory))
	}
	return max(16, most), err
}

const (
	// mostIDs bounds the ids in the duplicates window of the embedded NATS, and idMemory is the memory for each.
	mostIDs  = 1_000_000
	idMemory = 160
	// unlimitedIDs bounds them where nothing limits the memory: with so many of few subjects, and Go's garbage, the process stays below
	// 200 MB.
	unlimitedIDs = 300_000
)

// IDs is how many ids of events the embedded NATS may have to compare with: an eighth of the memory, where it is limited.
func (m MemoryLimit) IDs() int {
	if m.Limit > 0 {
		return int(min(mostIDs, max(1, m.Limit/8/idMemory)))
	}
	return unlimitedIDs
}

// UnreadBytes is how much may wait for all readers of the embedded NATS that do not read.
func (m MemoryLimit) UnreadBytes() int64 {
	if m.Limit > 0 {
		return min(m.Limit/4, mostInFlightBytes)
	}
	return mostInFlightBytes
}
