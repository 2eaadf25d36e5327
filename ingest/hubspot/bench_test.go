package hubspot_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// A list of a hundred events, verified, decoded and made events of.
func BenchmarkBatch(b *testing.B) {
	source, m := open(b).Sources[0], mapping(b)
	one := strings.TrimSuffix(strings.TrimPrefix(contact, "["), "]")
	cb := callback("[" + strings.TrimSuffix(strings.Repeat(one+",", 100), ",") + "]")
	if err := source.(ingest.Signer).Sign(&cb, public+path, ""); err != nil {
		b.Fatal(err)
	}
	for what, until := range map[string]int{"verify": 1, "decode": 2, "events": 3} {
		b.Run(fmt.Sprint(until, " ", what), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(cb.Body)))
			for b.Loop() {
				err := source.Verify(b.Context(), cb)
				var changes []ingest.Change
				if until > 1 {
					var failed error
					changes, failed = source.Decode(cb)
					err = errors.Join(err, failed)
				}
				for i := 0; i < len(changes) && until > 2; i++ {
					_, failed := m.Events(changes[i])
					err = errors.Join(err, failed)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
