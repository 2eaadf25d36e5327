package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/publish"
)

// Whoever ends a bridge hears to keep the folder also where nobody can say what its journal holds.
func TestEndTellsOfAJournalThatCannotBeAsked(t *testing.T) {
	server, err := publish.OpenServer(t.Context(), publish.ServerConfig{Dir: t.TempDir(), OwnerPass: "owner", MaxPayload: 1 << 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	var log bytes.Buffer
	b := &bridge{
		log: slog.New(slog.NewTextHandler(&log, nil)), data: &datadir.Dir{Path: "/data"},
		forwarder: &publish.Forwarder{Journal: &publish.Journal{Conn: conn, Stream: "CRM_JOURNAL"}},
	}
	(&forwarding{bridge: b}).tellRest(t.Context())
	if !strings.Contains(log.String(), "keep this data folder") {
		t.Errorf("the log says %q", log.String())
	}
}
