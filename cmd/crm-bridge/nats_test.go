package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/publish"
)

// A remote that expects TLS first is dialled so.
func TestTLSFirstReachesTheDial(t *testing.T) {
	if !(config.NATS{URL: "tls://host", TLSFirst: true}).Remote().TLSFirst {
		t.Error("it is not")
	}
}

// What the bridge says of an answer is what an answer of it means.
func TestDurabilityIsSaidAsItIs(t *testing.T) {
	remote := config.Settings{NATS: config.NATS{URL: "nats://host:4222"}, Delivery: "direct"}
	journal := config.Settings{NATS: config.NATS{URL: "nats://host:4222"}, Delivery: "journal"}
	for _, test := range []struct {
		name     string
		settings config.Settings
		stream   publish.Stream
		says     string
		not      string
	}{
		{"embedded", config.Settings{}, publish.Stream{Replicas: 1}, "fsynced", "page cache"},
		{"embedded, no sync", config.Settings{Sync: publish.Sync{Every: time.Second}}, publish.Stream{Replicas: 1}, "page cache", "fsynced"},
		{"embedded, somebody's stream in memory", config.Settings{Sync: publish.Sync{Server: true}}, publish.Stream{Replicas: 1, Memory: true}, "in the memory", "fsynced"},
		{"journal", journal, publish.Stream{Name: "CRM_JOURNAL", Replicas: 1}, "fsynced", "acknowledged by the remote"},
		{"embedded, somebody's stream that drops what nobody wants", config.Settings{}, publish.Stream{Name: "CRM", Replicas: 1, Interest: true}, "not stored", "fsynced"},
		{"remote that drops what nobody wants", remote, publish.Stream{Name: "CRM", Replicas: 3, Interest: true}, "not stored", "fsynced"},
		{"remote", remote, publish.Stream{Name: "CRM", Replicas: 3}, "3 replica(s), file storage", "fsynced"},
		{"remote in memory", remote, publish.Stream{Name: "CRM", Replicas: 1, Memory: true}, "memory storage", "file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &bridge{settings: test.settings, log: slog.New(slog.DiscardHandler), data: &datadir.Dir{Path: "data"}}
			if b.settings.Direct() {
				promise := inWords(test.stream)
				b.upkeep = &publish.Upkeep{}
				b.promise.Store(&promise)
			}
			b.durability = b.describeDurability(test.stream)
			if got := b.promises(); !strings.Contains(got, test.says) || strings.Contains(got, test.not) {
				t.Errorf("it says %q", got)
			}
		})
	}
}
