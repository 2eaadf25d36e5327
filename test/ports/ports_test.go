package ports

import (
	"net"
	"testing"
)

// No port is given twice, and one that somebody listens on is not given.
func TestFree(t *testing.T) {
	t.Parallel()
	taken := at(nth(given.Load() + 2))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", taken)
	if err == nil { // else another process listens there, which does as well
		defer func() { _ = listener.Close() }()
	}
	had := map[string]bool{taken: true}
	for range 100 {
		address, err := Address()
		if err != nil || had[address] {
			t.Fatalf("given %s: %v", address, err)
		}
		had[address] = true
	}
}
