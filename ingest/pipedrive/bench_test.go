package pipedrive_test

import "testing"

// What one webhook costs from its body to the data of its event.
func BenchmarkWebhook(b *testing.B) {
	s, m, cb := source(), mapping(b), callback(read(b, "deal-change.json"))
	for b.Loop() {
		if err := s.Verify(b.Context(), cb); err != nil {
			b.Fatal(err)
		}
		changes, err := s.Decode(cb)
		if err == nil {
			_, err = m.Events(changes[0])
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
