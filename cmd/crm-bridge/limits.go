package main

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryLimit is how much memory the process may use.
type memoryLimit struct {
	limit int64  // bytes; 0: it is not limited
	from  string // what limits it: "GOMEMLIMIT" or "the control group"
}

// processMemory reads the limit of the control group, those above it included, and GOMEMLIMIT; the lower one counts.
func processMemory() memoryLimit {
	var m memoryLimit
	if limit, err := memlimit.FromCgroup(); err == nil && limit < math.MaxInt64 { // an error: there is no such limit here
		m = memoryLimit{int64(limit), "the control group"}
	}
	if limit := debug.SetMemoryLimit(-1); os.Getenv("GOMEMLIMIT") != "" && limit < math.MaxInt64 && (m.limit == 0 || limit < m.limit) {
		m = memoryLimit{limit, "GOMEMLIMIT"}
	}
	return m
}

// limitGo has the garbage collector keep within three quarters of the control group's limit: the rest is for what Go does not
// count, such as the kernel's buffers. It returns Go's limit. GOMEMLIMIT goes before it.
func (m memoryLimit) limitGo() int64 {
	if m.limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(m.limit / 4 * 3)
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
	// adminConnections bounds the connections of the admin address.
	adminConnections = 128
	// mostReaders bounds the connections of the embedded NATS' readers, and readerMemory is the memory for each.
	mostReaders  = 1024
	readerMemory = 1 << 20
)

// inFlightBytes is BRIDGE_MAX_IN_FLIGHT_BYTES or its default.
func (s settings) inFlightBytes(m memoryLimit) int64 {
	switch {
	case s.MaxInFlightBytes > 0:
		return int64(s.MaxInFlightBytes)
	case m.limit > 0:
		return min(m.limit/4, mostInFlightBytes)
	}
	return mostInFlightBytes
}

// connections is BRIDGE_MAX_CONNECTIONS or its default, for a process that may open so many files (0: any number). A quarter
// of them, and at least 256, stay for the store, NATS and the admin address; of fewer than 512 files it is a half.
func (s settings) connections(m memoryLimit, files int) (int, error) {
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
	case m.limit > 0:
		free = min(free, max(16, int(m.limit/connectionMemory)))
	}
	return min(free, mostConnections), nil
}

// requestsAtOnce is BRIDGE_MAX_IN_FLIGHT, or three quarters of the connections where that is less: a new request must come in to
// have the slowest one cut.
func (s settings) requestsAtOnce(connections int) int {
	return min(s.MaxInFlight, max(1, connections-(connections+3)/4))
}

// readers is how many connections readers may have to the embedded NATS: half of the files that neither callbacks nor the
// admin address may use, for the store needs the others.
func (s settings) readers(m memoryLimit, files int) (int, error) {
	callbacks, err := s.connections(m, files)
	most := mostReaders
	if files > 0 {
		most = min(most, (files-callbacks-adminConnections)/2)
	}
	if m.limit > 0 {
		most = min(most, int(m.limit/readerMemory))
	}
	return max(16, most), err
}

// unreadBytes is how much may wait for all readers of the embedded NATS that do not read.
func (m memoryLimit) unreadBytes() int64 {
	if m.limit > 0 {
		return min(m.limit/4, mostInFlightBytes)
	}
	return mostInFlightBytes
}
