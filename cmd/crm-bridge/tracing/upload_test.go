package tracing

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Why there is no answer is said as it was: the timeout of the request, that of the export, or the end of the bridge.
func TestNoAnswer(t *testing.T) {
	hung := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hung }))
	defer server.Close()
	defer close(hung)
	for says, test := range map[string]struct {
		timeout time.Duration
		within  func() (context.Context, context.CancelFunc)
	}{
		"no answer within 10ms": {10 * time.Millisecond, func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) }},
		"no answer in time": {10 * time.Second, func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 10*time.Millisecond)
		}},
		"no answer before the bridge stopped": {10 * time.Second, func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel)
			return ctx, cancel
		}},
	} {
		ctx, cancel := test.within()
		_, _, err := (&uploader{client: server.Client(), url: server.URL, timeout: test.timeout}).once(ctx, nil)
		cancel()
		if err == nil || !strings.HasSuffix(err.Error(), says) {
			t.Errorf("it says %v, not %q", err, says)
		}
	}
}
