package config

import "net"

// StateBucket is the name of the bucket beside the stream.
func (s Settings) StateBucket() string { return s.Stream + "_STATE" }

// ReplayStream is the name of the stream that takes events replayed to subjects.
func (s Settings) ReplayStream() string { return s.Stream + "_REPLAY" }

// DeadStream is the name of the stream of what consumers gave up on.
func (s Settings) DeadStream() string { return s.Stream + "_DEAD" }

// RecordsStream is the name of the stream of the states of records.
func (s Settings) RecordsStream() string { return s.Stream + "_RECORDS" }

// Syncs reports whether a command has to sync what it publishes to the embedded server itself, as the running bridge does.
func (s Settings) Syncs() bool { return s.Embedded() && s.Sync.Every == 0 && !s.Sync.Server }

// CallbackURL returns the base URL of the bridge for a client on this machine.
func (s Settings) CallbackURL() string {
	scheme := "http://"
	if s.ListenCert != "" {
		scheme = "https://"
	}
	return scheme + LocalAddress(s.Listen)
}

// LocalAddress returns a listening address in the form that a client on the same machine uses.
func LocalAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
