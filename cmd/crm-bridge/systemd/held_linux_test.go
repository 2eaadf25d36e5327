package systemd

import (
	"net"
	"os"
	"testing"
)

// A socket is found by its address with the process that holds it, and with no other.
func TestProcessThatHoldsASocketIsFound(t *testing.T) {
	for _, host := range []string{"127.0.0.1:0", "[::]:0", ":0"} {
		listener, err := net.Listen("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		address := listener.Addr().String()
		if !processHolds(os.Getpid(), address) {
			t.Errorf("%s is not found", address)
		}
		if processHolds(os.Getppid(), address) {
			t.Errorf("%s is said to be the parent's", address)
		}
		if _ = listener.Close(); processHolds(os.Getpid(), address) {
			t.Errorf("%s is found when it is closed", address)
		}
	}
}
