package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// listener accepts a bounded number of connections.
type listener struct {
	net.Listener
	bound *receive.Connections
}

// listen opens the address of a variable.
func listen(ctx context.Context, variable, address string) (net.Listener, error) {
	tcp, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w; stop what listens there, or set %s to a free address", variable, address, errors.Unwrap(err), variable)
	}
	return tcp, nil
}

// listenForCallbacks opens the listener of callbacks, or takes the socket that a service manager passed, with a bound on its connections;
// over TLS where a certificate is given.
func listenForCallbacks(ctx context.Context, s config.Settings, bound *receive.Connections, log *slog.Logger) (_ *listener, err error) {
	tcp := s.Socket
	if tcp != nil {
		noteSocket(s, log)
	} else if tcp, err = listen(ctx, "BRIDGE_LISTEN", s.Listen); err != nil {
		return nil, err
	}
	l := &listener{Listener: bound.Limit(tcp), bound: bound}
	if bound.TLS = s.ListenCert != ""; !bound.TLS {
		return l, nil
	}
	config, err := TLSConfig(s.ListenCert, s.ListenKey, log)
	if err != nil {
		_ = tcp.Close()
		return nil, fmt.Errorf("BRIDGE_LISTEN_CERT: %w", err)
	}
	l.Listener = tls.NewListener(l.Listener, config)
	return l, nil
}

// noteSocket logs which socket is used in place of BRIDGE_LISTEN, and warns if commands would look for the bridge elsewhere, or if others
// reach it than BRIDGE_LISTEN lets in.
func noteSocket(s config.Settings, log *slog.Logger) {
	passed := s.Socket.Addr().String()
	log.Info("callbacks are received on the socket that systemd passed, not on BRIDGE_LISTEN", "socket", passed)
	if !collide(passed, s.Listen) {
		log.Warn("commands such as send look for the bridge at BRIDGE_LISTEN: set it to the address of the socket", "socket", passed, "variable", s.Listen)
	}
	if openToAll(passed) && !openToAll(s.Listen) {
		log.Warn("the socket receives callbacks on all addresses of this machine, BRIDGE_LISTEN names one: set ListenStream= of the socket unit to that "+
			"address, or BRIDGE_LISTEN to the port alone", "socket", passed, "variable", s.Listen)
	}
}

// openToAll reports whether an address to listen on is that of every interface.
func openToAll(address string) bool {
	tcp, err := net.ResolveTCPAddr("tcp", address)
	return err == nil && (len(tcp.IP) == 0 || tcp.IP.IsUnspecified())
}

// collide reports whether two addresses cannot be listened on at once.
func collide(a, b string) bool {
	first, err := net.ResolveTCPAddr("tcp", a)
	second, failed := net.ResolveTCPAddr("tcp", b)
	if err != nil || failed != nil || first.Port != second.Port || first.Port == 0 {
		return false
	}
	all := func(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }
	return all(first.IP) || all(second.IP) || first.IP.Equal(second.IP)
}

// openListeners opens the listeners of callbacks and of the admin address, and bounds what comes in.
func openListeners(ctx context.Context, s config.Settings, handler *receive.Handler, log *slog.Logger) (front, admin *listener, err error) {
	memory := config.ProcessMemory()
	most, err := s.Connections(memory, config.OpenFiles())
	if err != nil {
		return nil, nil, err
	}
	logLimits(s, log, memory, memory.LimitGo(), most)
	handler.MaxInFlight, handler.MaxInFlightBytes = s.RequestsAtOnce(most), s.InFlightBytes(memory)
	bound := &receive.Connections{Max: most, HeaderBytes: s.InFlightBytes(memory) / 4, Unwatched: true, Label: "connections", Metrics: handler.Metrics}
	if front, err = listenForCallbacks(ctx, s, bound, log); err != nil {
		return nil, nil, err
	}
	bound = &receive.Connections{Max: config.AdminConnections, HeaderBytes: 1 << 20, Label: "admin_connections", Metrics: handler.Metrics}
	tcp, err := listen(ctx, "BRIDGE_ADMIN_LISTEN", s.AdminListen)
	if err != nil {
		return front, nil, err
	}
	return front, &listener{Listener: bound.Limit(tcp), bound: bound}, nil
}

// logLimits logs the limits that depend on each other in one line.
func logLimits(s config.Settings, log *slog.Logger, m config.MemoryLimit, goLimit int64, connections int) {
	held := fmt.Sprintf("bodies in flight hold at most %s, connections at most %d", config.Size(s.InFlightBytes(m)), connections)
	if m.Limit == 0 {
		log.Info("memory is not limited; " + held)
		return
	}
	log.Info(fmt.Sprintf("memory is limited to %s by %s; Go keeps within %s; %s", config.Size(m.Limit), m.From, config.Size(goLimit), held))
}

// server returns a server for the listener's connections.
func (l *listener) server(handler http.Handler, timeout time.Duration, log *slog.Logger) *http.Server {
	server := receive.NewServer(handler, timeout, log)
	server.ConnState = l.bound.Track
	return server
}

// drain accepts no more connections, and returns when those that were accepted have got their answers. served says how Serve ended.
// Connections that nobody has accepted wait for the next process where it shares the socket, and are refused where it does not.
func (l *listener) drain(ctx context.Context, served <-chan error) error {
	err := l.Close()
	if failed := <-served; !errors.Is(failed, net.ErrClosed) {
		err = errors.Join(err, failed)
	}
	l.bound.Settle(ctx)
	return err
}

// Reachable returns the address of a listener in the form that a client on this machine uses.
func Reachable(listener net.Listener) string {
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
