package main

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/crm-bridge/crm-bridge/test/bench/process"
)

// launch starts a subject with its data below folder, and the remote behind it, if any, as one of others. Call process.Stop for all of
// them.
func (p plan) launch(ctx context.Context, s subject, w workload, folder string) (front *process.Process, others []*process.Process, err error) {
	own, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	data, behind := filepath.Join(folder, "data"), ""
	if s.remote {
		args := []string{"remote", "-dir", filepath.Join(folder, "remote")}
		if !s.bridge {
			args = append(args, "-stream")
		}
		remote, err := process.Start(ctx, own, args, nil)
		if err != nil {
			return nil, nil, err
		}
		others, behind = append(others, remote), remote.NATS
	}
	switch {
	case s.bridge:
		front, err = process.Start(ctx, cmp.Or(s.file, p.program), nil, slices.Concat(p.settings(data, behind, w), s.env))
	case s.file != "":
		front, err = startPeer(ctx, s.file, folder, p.callback.path, behind)
	default:
		front, err = process.Start(ctx, own, append(slices.Clone(s.args), "-dir", data), nil)
	}
	if err != nil {
		process.Stop(others...)
	}
	return front, others, err
}

// settings returns the environment of a bridge.
func (p plan) settings(data, behind string, w workload) []string {
	env := append([]string{
		"BRIDGE_DATA_DIR=" + data, "BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0", "BRIDGE_NATS_LISTEN=127.0.0.1:0",
	}, environment...)
	if behind != "" {
		env = append(env, "BRIDGE_NATS_URL="+behind)
	}
	if w.perRecord {
		env = append(env, "BRIDGE_EVENT_PER=record")
	}
	return env
}
