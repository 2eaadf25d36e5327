package config

import "testing"

// A remote that expects TLS first is dialled so.
func TestTLSFirstReachesTheDial(t *testing.T) {
	if !(NATS{URL: "tls://host", TLSFirst: true}).Remote().TLSFirst {
		t.Error("it is not")
	}
}
