package store

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

// The log says to keep the folder also where it is unknown what its journal holds.
func TestEndWarnsOfAJournalThatCannotBeAsked(t *testing.T) {
	server, err := embedded.Open(t.Context(), embedded.Config{Dir: t.TempDir(), OwnerPass: "owner", MaxPayload: 1 << 20, Log: slog.New(slog.DiscardHandler)})
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
	j := &journal{
		local: &local{
			streams: &streams{Config: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}},
			serves:  embedded.Config{Dir: "/data"},
		},
		forwarder: &publish.Forwarder{Journal: &publish.Journal{Conn: conn, Stream: "CRM_JOURNAL"}},
	}
	j.warnPending(t.Context())
	if !strings.Contains(log.String(), "keep this data folder") {
		t.Errorf("the log says %q", log.String())
	}
}
