package config

import (
	"slices"
	"testing"
)

// A remote that expects TLS first is dialled so.
func TestTLSFirstReachesTheDial(t *testing.T) {
	if !(NATS{URL: "tls://host", TLSFirst: true}).Remote().TLSFirst {
		t.Error("it is not")
	}
}

// The passwords and tokens in the URLs of a remote are secrets of the bridge, as those of variables of their own are.
func TestSecretsInURLs(t *testing.T) {
	s := Settings{StateKey: "key", NATS: NATS{URL: "nats://a.example:4222, tls://bridge:p%40ss-of-b@b.example:4222,nats://token-of-c@c.example", Password: "password"}}
	want := []string{"", "password", "key", "p@ss-of-b", "token-of-c"}
	if got := s.Secrets(); !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
