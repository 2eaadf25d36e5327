package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A job that dies after its effect and before its acknowledgement is given the event again, and has the effect once.
func TestEffectsOnce(t *testing.T) {
	t.Parallel()
	b := start(t, t.TempDir(), documentedToken)
	for i := range 3 {
		change(t, b, "Deals", i)
	}
	file := filepath.Join(t.TempDir(), "books.json")
	dying, err := nats.Connect(b.NATS)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(dying)
	if err != nil {
		t.Fatal(err)
	}
	billing, err := openBilling(t.Context(), js, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	msg, err := hurried(t, billing, b.NATS).Next()
	if err != nil {
		t.Fatal(err)
	}
	dying.Close()
	openBooks(t, file).take(msg) // its acknowledgement goes nowhere

	accounts := openBooks(t, file)
	if billing, err = openBilling(t.Context(), service(t, b.NATS), time.Now()); err != nil {
		t.Fatal(err)
	}
	reading, err := accounts.read(billing)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Stop()
	waitFor(t, func() bool { return len(accounts.effects()) == 3 })
	if got := strings.Join(accounts.effects(), " "); got != "9000000000000 9000000000001 9000000000002" {
		t.Errorf("effects %s", got)
	}
	if accounts.deliveries != 3 { // and one before
		t.Errorf("%d deliveries after the death", accounts.deliveries)
	}
}

// An event that can never be handled is tried five times, set aside, and holds nothing up for longer; with MaxAckPending 1
// those behind it wait until then, so that order holds.
func TestPoison(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken)
	for i := range 3 {
		change(t, b, "Deals", i)
	}
	accounts := openBooks(t, filepath.Join(t.TempDir(), "books.json"))
	accounts.poison = "9000000000001"
	billing, err := openBilling(t.Context(), service(t, b.NATS), time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	reading, err := accounts.read(billing)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Stop()
	waitFor(t, func() bool { return len(accounts.effects()) == 2 })
	if len(accounts.Aside) != 1 || !strings.Contains(accounts.Aside[0], accounts.poison) || accounts.deliveries != 7 {
		t.Errorf("%d set aside after %d deliveries", len(accounts.Aside), accounts.deliveries)
	}
	waitFor(t, func() bool { info, err := billing.Info(t.Context()); return err == nil && info.NumAckPending == 0 })
}

// An event that fails once is delivered before those behind it with MaxAckPending 1, and after them otherwise.
func TestOrderAfterAFailure(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken)
	for i := range 4 {
		change(t, b, "Deals", i)
	}
	js := service(t, b.NATS)
	strict, err := openBilling(t.Context(), js, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	loose, err := js.CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "loose"})
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]jetstream.Consumer{"0 1 2 3": strict, "0 2 3 1": loose} {
		accounts := openBooks(t, filepath.Join(t.TempDir(), "books.json"))
		accounts.moody, accounts.patience = "9000000000001", 200*time.Millisecond
		reading, err := accounts.read(c)
		if err != nil {
			t.Fatal(err)
		}
		defer reading.Stop()
		waitFor(t, func() bool { return len(accounts.effects()) == 4 })
		if got := strings.ReplaceAll(strings.Join(accounts.effects(), " "), "900000000000", ""); got != want {
			t.Errorf("effects in the order %s, not %s", got, want)
		}
	}
}
