package bitrix24_test

import (
	"context"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

// What one event costs from its body to the bytes for the stream, step by step and whole: as a form, as it comes, and as
// JSON.
func BenchmarkEvent(b *testing.B) {
	s := open(b, openEvents)
	m := mapping(b, bitrix24.EventsLabel, s)
	for _, sample := range []string{"event-contact-add.form", "event-deal-update-numbers.json"} {
		b.Run(sample, func(b *testing.B) { benchmark(b, s, m, eventCallback(read(b, sample))) })
	}
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
			publish.Message("crm.bitrix24.Deal.edit", &events[0], mode)
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
			publish.Message("crm.bitrix24.Deal.edit", &events[0], publish.Structured)
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
