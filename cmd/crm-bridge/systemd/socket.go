// Package systemd takes what a service manager passes to the process, and reports back to it: an open socket, readiness, the watchdog.
// Without a service manager, and on systems without one, every function does nothing. It knows nothing of callbacks but the name of
// their socket.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// Callbacks is the name of the socket that callbacks come to (FileDescriptorName=).
const Callbacks = "callbacks"

// Socket returns the listening socket that the service manager passed; nil: it passed none. Connections that nobody has accepted stay
// with the service manager when the listener is closed: the next process accepts them. It takes the socket out of the environment, so
// that no child process inherits it and a second call returns nil.
func Socket() (net.Listener, error) {
	passed := activation.Files(true)
	defer closeAll(passed)
	if len(passed) == 0 {
		return nil, nil
	}
	for _, one := range passed {
		if name := one.Name(); name != Callbacks && (len(passed) > 1 || !unnamed(name)) {
			return nil, fmt.Errorf("systemd passed a socket with the name %q, which crm-bridge does not know: pass one socket with Accept=no and FileDescriptorName=%s", name, Callbacks)
		}
	}
	if len(passed) > 1 {
		return nil, fmt.Errorf("systemd passed %d sockets with the name %s: keep one ListenStream= (a port alone takes IPv4 and IPv6)", len(passed), Callbacks)
	}
	listener, err := net.FileListener(passed[0])
	if err != nil {
		return nil, fmt.Errorf("the socket that systemd passed cannot be used: %w; set ListenStream= to a TCP port", plain(err))
	}
	if _, isTCP := listener.(*net.TCPListener); !isTCP {
		_ = listener.Close()
		return nil, fmt.Errorf("the socket that systemd passed is a %s socket: set ListenStream= to a TCP port", listener.Addr().Network())
	}
	return listener, nil
}

// unnamed reports whether a name stands for a socket that was given none: systemd then passes the name of the unit, other managers
// "unknown" or nothing.
func unnamed(name string) bool {
	return name == "unknown" || strings.HasPrefix(name, "LISTEN_FD_") || strings.HasSuffix(name, ".socket")
}

// plain returns the reason of an error without the operation and the name of the file.
func plain(err error) error {
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	return err
}

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}
