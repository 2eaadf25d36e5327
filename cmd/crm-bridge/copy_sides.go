package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/transfer"
)

// embeddedSide names, for --from and --to, the streams in BRIDGE_DATA_DIR.
const embeddedSide = "embedded"

// copyFlags are the command's.
type copyFlags struct {
	from, to                            string
	target                              targetFlags
	retryFor                            time.Duration
	appends, verifyOnly, dryRun, asJSON bool
}

// copying is a copy whose two sides are open.
type copying struct {
	*copyFlags
	from, to *copySide
	crms     bridge.CRMs
	env      *config.Environment
	bar      *copyBar
	note     *transfer.Note
	running  string // why the source may still take events; empty: it takes none
}

// copySide is the source or the target of a copy.
type copySide struct {
	config.Settings        // with which a bridge keeps its events there
	name            string // for a person
	conn            *publish.Conn
	folder          *bridge.Folder // nil: the streams are on a server that runs
}

// sides returns the settings of both sides, as the flags name them.
func (f *copyFlags) sides(s config.Settings) (from, to config.Settings, err error) {
	here := s
	here.NATS.URL, here.StreamReplicas = "", 1
	from = s
	switch f.from {
	case "":
	case embeddedSide:
		from = here
	default:
		return from, to, fmt.Errorf("%w: --from must be embedded: any other source is what BRIDGE_NATS_URL names", terminal.ErrUsage)
	}
	if given := f.target.given(); given != "" && (f.to == "" || f.to == embeddedSide) {
		return from, to, fmt.Errorf("%w: %s is of a target with a URL: give --to URL", terminal.ErrUsage, given)
	}
	switch {
	case f.to == embeddedSide && from.Embedded():
		err = fmt.Errorf("%w: --to embedded copies from another NATS into BRIDGE_DATA_DIR: set BRIDGE_NATS_URL", terminal.ErrUsage)
	case f.to == embeddedSide:
		to = here
	case f.to != "":
		to, err = f.target.settings(s, f.to)
	case f.from == "":
		err = fmt.Errorf("%w: --to is missing: the URL of a NATS, or embedded", terminal.ErrUsage)
	case s.Embedded():
		err = fmt.Errorf("%w: --to is missing, and BRIDGE_NATS_URL is not set", terminal.ErrUsage)
	default:
		to = s
	}
	return from, to, err
}

// openSource opens where the events are: in a data folder through the bridge that runs on it, or in this process where none does.
func openSource(ctx context.Context, s config.Settings) (side *copySide, err error) {
	side = &copySide{Settings: s, name: publish.HideUser(s.NATS.URL)}
	if !s.Embedded() {
		side.conn, err = client.Reach(ctx, s)
		return side, explainSide("the source: BRIDGE_NATS_URL", err)
	}
	side.name = "the streams in " + s.DataDir
	if _, err := os.Stat(filepath.Join(s.DataDir, "jetstream")); errors.Is(err, fs.ErrNotExist) {
		return side, fmt.Errorf("the source: no bridge has stored anything in %s (BRIDGE_DATA_DIR)", s.DataDir)
	}
	side.folder, err = bridge.OpenFolder(ctx, s)
	if err == nil {
		side.conn = side.folder.Conn
		return side, nil
	}
	if !errors.Is(err, datadir.ErrInUse) {
		return side, err
	}
	if err := client.IsOwner(s); err != nil {
		return side, err
	}
	if side.conn, err = client.Reach(ctx, s); err != nil {
		return side, fmt.Errorf("the source: a bridge runs on %s, and its streams cannot be reached (%w); if it forwards to another NATS, stop it first", s.DataDir, err)
	}
	return side, nil
}

// openTarget opens what takes the copy; byFlags: flags say how to reach it.
func openTarget(ctx context.Context, s config.Settings, byFlags bool) (side *copySide, err error) {
	side = &copySide{Settings: s, name: publish.HideUser(s.NATS.URL)}
	if !s.Embedded() {
		if side.conn, err = client.Reach(ctx, s); err != nil && byFlags {
			err = inFlags{err}
		}
		return side, explainSide("the target", err)
	}
	side.name = "the streams in " + s.DataDir
	if side.folder, err = bridge.OpenFolder(ctx, s); err != nil {
		return side, fmt.Errorf("the target: %w", err)
	}
	side.conn = side.folder.Conn
	held, err := side.conn.Streams(ctx)
	for name, messages := range held {
		if err == nil && messages > 0 && bridge.IsJournal(name) {
			err = fmt.Errorf("the target: journal %s in %s holds %d events that are not forwarded: start the bridge with BRIDGE_NATS_URL until journalPending is 0, or set BRIDGE_DATA_DIR to another folder", name, s.DataDir, messages)
		}
	}
	return side, err
}

func explainSide(which string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", which, err)
}

func (s *copySide) close() {
	switch {
	case s.folder != nil:
		s.folder.Close()
	case s.conn != nil:
		s.conn.Close()
	}
}

// bucket is what the bridge remembers on that side.
func (s *copySide) bucket() *publish.Bucket {
	return bridge.SharedState(s.Settings, func() (*publish.Conn, error) { return s.conn, nil })
}

// keys returns the keys with which secrets of that side may be encrypted, the one for new ones first. With make a data folder without a key
// gets one.
func (s *copySide) keys(bucket *publish.Bucket, makes bool) (all []*publish.Sealed, err error) {
	keys := []string{s.StateKey}
	if s.Embedded() {
		made, err := datadir.ReadSecret(s.DataDir, datadir.StateSecret)
		if errors.Is(err, fs.ErrNotExist) && makes && s.StateKey == "" {
			made, _, err = datadir.MakeSecret(s.DataDir, datadir.StateSecret)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		keys = append(keys, made)
	}
	for _, key := range keys {
		if key == "" {
			continue
		}
		sealed, err := publish.NewSealed(bucket, key)
		if err != nil {
			return nil, err
		}
		all = append(all, sealed)
	}
	return all, nil
}
