package publish_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// An event of a callback of 1 KB, from so many callers at once, to the embedded server without a sync. The server's own work counts.
func BenchmarkPublish(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers, " callers"), func(b *testing.B) {
			_, conn := publishtest.Open(b, nil)
			publisher := publishtest.Publisher(conn)
			e := publish.Event{Event: publishtest.Event("0190163d-8694-739b-aea5-966c26f8ad91")}
			e.Data = []byte(`{"native":{"body":"` + strings.Repeat("x", 1024) + `"}}`)
			b.ReportAllocs()
			b.ResetTimer()
			work := make(chan struct{})
			done := make(chan error, callers)
			for range callers {
				go func() {
					var failed error
					for range work {
						if _, err := publisher.Publish(b.Context(), e); err != nil {
							failed = err
						}
					}
					done <- failed
				}()
			}
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			for range callers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
