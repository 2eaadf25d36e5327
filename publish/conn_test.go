package publish

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

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

// What cannot be sent at once is an error, and is not sent when the connection is back: no event appears after its callback was
// answered 503.
func TestNothingIsSentLater(t *testing.T) {
	options := server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true}
	start := func() *server.Server {
		given := options
		s, err := server.NewServer(&given)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		if !s.ReadyForConnections(10 * time.Second) {
			t.Fatal("the server does not start")
		}
		options.Port = given.Port
		return s
	}
	first := start()
	conn, err := Address{URL: first.ClientURL()}.Dial(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first.Shutdown()
	first.WaitForShutdown()
	await := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("not in time: ", what)
			}
		}
	}
	await("the connection is lost", func() bool { return conn.nats.Status() == nats.RECONNECTING })
	if err := conn.nats.Publish("crm.acme.Deals.edit", []byte("late")); err == nil {
		t.Error("it is buffered")
	}
	second := start()
	defer second.Shutdown()
	await("the connection is back", func() bool { return conn.Up() == nil })
	if err := conn.nats.FlushTimeout(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	if n := conn.nats.Stats().OutMsgs; n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}
