package receive

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer returns an HTTP server for handler with timeouts: 5 s for a request's header, 15 s for all of it, answerTimeout and 20 s for
// its answer, 2 minutes between requests; headers of at most 32 KiB.
func NewServer(handler http.Handler, answerTimeout time.Duration, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      20*time.Second + answerTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
