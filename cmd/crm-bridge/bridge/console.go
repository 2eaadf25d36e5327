package bridge

import (
	"context"
	"net"
	"net/http"
	"slices"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// openConsole returns the web console, with what its pages show and change.
func openConsole(b *parts, token trust, report func(context.Context) status.Report, events *Events, waits *waitings, kept *channels) *console.Console {
	return &console.Console{
		Token: string(token), Hosts: slices.Concat(b.Settings.AdminHosts, ownHost(b.Settings.AdminListen)), Version: config.Release, Log: b.Log,
		Pages: slices.Concat(
			[]console.Page{
				console.Overview(report),
				console.Sources(report, b.served),
				console.Channels(report, kept.subscriptions()),
				console.Gaps(report),
			},
			waits.pages(b.CRMs, b.Settings.Stream, report).Pages(),
			b.eventPages(events).Pages(),
			b.recordPages(func() []status.Record { return recordsKept(b.records) }).Pages(),
			b.consumerPages().Pages(),
			b.replayPages().Pages(),
			console.ConnectPages{Report: report, Connections: b.connections(), Check: b.checkURL}.Pages(),
		),
	}
}

// ownHost returns the host of an address to listen on, unless it is that of all addresses of the machine: it cannot be another's.
func ownHost(address string) []string {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		return nil
	}
	return []string{host}
}

// linkRoutes returns the request by which a command gets a link to the console.
func linkRoutes(pages *console.Console) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"POST /console/link": func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, http.StatusOK, map[string]string{"url": "http://" + r.Host + pages.Link()})
		},
	}
}
