package bridge

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

// Folder is the data folder of a bridge that does not run, opened for a command: nobody else reaches its streams.
type Folder struct {
	Conn *publish.Conn
	*datadir.Dir
	server *embedded.Server
}

// OpenFolder opens the streams in the data folder. The error is datadir.ErrInUse while a bridge runs on it. Root is refused in the folder
// of another user, before anything is touched.
func OpenFolder(ctx context.Context, s config.Settings) (f *Folder, err error) {
	if err := datadir.CheckOwner(s.DataDir); err != nil {
		return nil, err
	}
	f = &Folder{}
	if f.Dir, err = datadir.TryOpen(s.DataDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	password, err := f.Secret(datadir.OwnerSecret)
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	f.server, err = embedded.Open(ctx, embedded.Config{Dir: s.DataDir, OwnerPass: password, MaxPayload: publish.MaxPayload, Log: quiet})
	if err != nil {
		return nil, fmt.Errorf("open the streams in %s: %w", s.DataDir, err)
	}
	f.Conn, err = f.server.Connect()
	return f, err
}

// Sync returns when all streams would survive a power cut as they are; stream is one of them.
func (f *Folder) Sync(stream string) error {
	committer, err := f.server.Committer(stream) // it syncs the whole store first
	if err != nil {
		return err
	}
	return committer.Close()
}

// Close closes the streams, and releases the folder.
func (f *Folder) Close() {
	if f.Conn != nil {
		f.Conn.Close()
	}
	if f.server != nil {
		f.server.Close()
	}
	_ = f.Dir.Close()
}
