package bridge

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// openConsole returns the web console, with what its pages show and change.
func openConsole(b *Bridge, token trust) *console.Console {
	return &console.Console{
		Token: string(token), Hosts: b.Settings.AdminHosts, Version: config.Release, Log: b.Log,
		Pages: slices.Concat(
			[]console.Page{console.Overview(b.report)},
			b.eventPages().Pages(),
			b.recordPages().Pages(),
			b.consumerPages().Pages(),
			b.replayPages().Pages(),
		),
	}
}

// linkRoutes returns the request by which a command gets a link to the console.
func linkRoutes(pages *console.Console) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"POST /console/link": func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, http.StatusOK, map[string]string{"url": "http://" + r.Host + pages.Link()})
		},
	}
}

// report says how the bridge is now.
func (b *Bridge) report(ctx context.Context) status.Report {
	reason := b.health.notReady(ctx)
	return status.Report{
		At: time.Now(), Version: config.Release, Ready: reason == "", Reason: reason, Durability: b.Store.Durability(), Stream: b.Settings.Stream,
	}
}
