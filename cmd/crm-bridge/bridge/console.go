package bridge

import (
	"net/http"
	"slices"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
)

// openConsole returns the web console, with what its pages show and change.
func openConsole(b *Bridge, token trust, waits *waitings, kept *channels) *console.Console {
	return &console.Console{
		Token: string(token), Hosts: b.Settings.AdminHosts, Version: config.Release, Log: b.Log,
		Pages: slices.Concat(
			[]console.Page{
				console.Overview(b.Report),
				console.Sources(b.Report, b.served),
				console.Channels(b.Report, kept.subscriptions()),
				console.Gaps(b.Report),
			},
			waits.pages(b.CRMs, b.Settings.Stream, b.Report).Pages(),
			b.eventPages().Pages(),
			b.recordPages().Pages(),
			b.consumerPages().Pages(),
			b.replayPages().Pages(),
			console.ConnectPages{Report: b.Report, Connections: b.connections(), Check: b.checkURL}.Pages(),
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

// ConsoleLink returns the URL of a one-time link that signs in to the console, for five minutes.
func (b *Bridge) ConsoleLink() string { return "http://" + Reachable(b.Admin) + b.pages.Link() }
