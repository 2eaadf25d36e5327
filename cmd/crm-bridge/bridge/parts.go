package bridge

import (
	"log/slog"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/publish/records"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// parts are what the bridge opens first. What reports and changes them, such as the pages of the console, is made of these.
type parts struct {
	Settings config.Settings
	Log      *slog.Logger
	data     *datadir.Dir // nil: nothing is kept on this machine

	CRMs    CRMs
	Keeper  *keep.Keeper // nil where no CRM's API is configured
	Store   *store.EventStore
	records []*records.Keeper // one for each provider whose records are kept
	Replays *replay.Runner    // jobs that run in this process
}
