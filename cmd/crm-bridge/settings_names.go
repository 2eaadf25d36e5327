package main

import "net"

// stateBucket is the name of the bucket beside the stream.
func (s settings) stateBucket() string { return s.Stream + "_STATE" }

// replayStream is the name of the stream that takes events replayed to subjects.
func (s settings) replayStream() string { return s.Stream + "_REPLAY" }

// syncs reports whether a command has to sync what it publishes to the embedded server itself, as the running bridge does.
func (s settings) syncs() bool { return s.embedded() && s.Sync.Every == 0 && !s.Sync.Server }

// callbackURL is where the bridge of these settings is reached from this machine.
func (s settings) callbackURL() string {
	scheme := "http://"
	if s.ListenCert != "" {
		scheme = "https://"
	}
	return scheme + local(s.Listen)
}

// local is a listening address as a client on the same machine writes it.
func local(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
