// Package ports gives tests and benchmarks ports that stay free for the programs that listen on them later, or again after a restart.
package ports

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
)

// The ports are below those that systems give to outgoing connections and to whoever asks for any port (from 32768 on Linux, from 49152
// elsewhere). One of those may have another owner a moment later, or be connected to itself.
const (
	first = 20000
	count = 12000
)

// given counts the ports that this process was given.
var given atomic.Int64

// Free returns a port of 127.0.0.1 that nothing listens on, and that this process was not given before.
func Free() (int, error) {
	for range count {
		port := nth(given.Add(1))
		if listener, err := net.Listen("tcp", at(port)); err == nil { //nolint:noctx // at once
			return port, listener.Close()
		}
	}
	return 0, errors.New("no port below 32000 is free")
}

// Address is Free as an address.
func Address() (string, error) {
	port, err := Free()
	return at(port), err
}

// nth returns the n-th port of this process; each process begins elsewhere.
func nth(n int64) int { return int(first + (int64(os.Getpid())*100+n)%count) }

func at(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
