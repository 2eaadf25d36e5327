package publish

import "testing"

// Servers that a cluster reports are used with the configured user, and none twice.
func TestClusterIsKnown(t *testing.T) {
	for given, want := range map[string]string{
		"nats://me:word@a:4222":               "nats://me:word@a:4222,nats://me:word@b:4222",
		"nats://me:word@a:4222,nats://b:4222": "nats://me:word@a:4222,nats://b:4222",
		"tls://a:4222":                        "tls://a:4222,nats://b:4222",
		"nats://me:w%2Frd@a:4222":             "nats://me:w%2Frd@a:4222,nats://me:w%2Frd@b:4222",
	} {
		got := Address{URL: given}.with([]string{"nats://a:4222", "nats://b:4222"}).URL
		if got != want {
			t.Errorf("%s becomes %s", given, got)
		}
	}
}
