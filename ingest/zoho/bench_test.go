package zoho_test

import (
	"testing"

	"github.com/crm-bridge/crm-bridge/publish"
)

// What one notification costs from its body to the bytes for the stream, step by step.
func BenchmarkNotification(b *testing.B) {
	s := source()
	m := mapping(b, s)
	cb := callback(read(b, "notification-v7-update-values.json"), "")
	changes, err := s.Decode(cb)
	if err != nil {
		b.Fatal(err)
	}
	events, err := m.Events(changes[0])
	if err != nil {
		b.Fatal(err)
	}
	for _, step := range []struct {
		name string
		run  func() error
	}{
		{"verify", func() error { return s.Verify(b.Context(), cb) }},
		{"decode", func() error { _, err := s.Decode(cb); return err }},
		{"transform", func() error { _, err := m.Events(changes[0]); return err }},
		{"encode structured", func() error {
			_, err := publish.Message("crm.zoho.Leads.edit", events[0], publish.Structured)
			return err
		}},
		{"encode binary", func() error { _, err := publish.Message("crm.zoho.Leads.edit", events[0], publish.Binary); return err }},
	} {
		b.Run(step.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := step.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
