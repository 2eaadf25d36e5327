package zoho_test

import (
	"context"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

// What one notification costs from its body to the bytes for the stream, step by step and whole.
func BenchmarkNotification(b *testing.B) {
	s := source()
	benchmark(b, s, mapping(b, s), callback(read(b, "notification-v7-update-values.json"), ""))
}

// The same for a workflow webhook that posts JSON, and for one that posts a form.
func BenchmarkWebhook(b *testing.B) {
	s := webhooks()
	m := webhookMapping(b, s)
	const query = "region=north&secret=" + webhookSecret
	b.Run("JSON", func(b *testing.B) {
		benchmark(b, s, m, webhook("POST", "application/json; charset=utf-8", query,
			`{"id":5725767000003000010,"Deal_Name":"Zoë & Söhne","Stage":"Closed Won","Amount":12500.50,"Closing_Date":"2026-11-21","Owner":{"name":"Zoë Example","email":"zoe@example.com"},"Tag":["a","b"]}`))
	})
	b.Run("form", func(b *testing.B) {
		benchmark(b, s, m, webhook("POST", form+"; charset=UTF-8", query,
			"id=5725767000003000010&Deal_Name=Zo%C3%AB+%26+S%C3%B6hne&Stage=Closed+Won&Amount=12500.50&Closing_Date=2026-11-21&Owner=Zo%C3%AB+Example&Email=zoe%40example.com&Tag=a&Tag=b"))
	})
}

func benchmark(b *testing.B, s ingest.Source, m *transform.Mapping, cb ingest.Callback) {
	changes, err := s.Decode(cb)
	if err != nil {
		b.Fatal(err)
	}
	events, err := m.Events(changes[0])
	if err != nil {
		b.Fatal(err)
	}
	encode := func(mode publish.Mode) func(context.Context) error {
		return func(context.Context) error {
			publish.Message("crm.zoho.Deals.edit", &events[0], mode)
			return nil
		}
	}
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"verify", func(ctx context.Context) error { return s.Verify(ctx, cb) }},
		{"decode", func(context.Context) error { _, err := s.Decode(cb); return err }},
		{"transform", func(context.Context) error { _, err := m.Events(changes[0]); return err }},
		{"encode structured", encode(publish.Structured)},
		{"encode binary", encode(publish.Binary)},
		{"whole", func(ctx context.Context) error {
			if err := s.Verify(ctx, cb); err != nil {
				return err
			}
			changes, err := s.Decode(cb)
			if err != nil {
				return err
			}
			events, err := m.Events(changes[0])
			if err != nil {
				return err
			}
			publish.Message("crm.zoho.Deals.edit", &events[0], publish.Structured)
			return nil
		}},
	} {
		b.Run(step.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := step.run(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
