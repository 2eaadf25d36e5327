//go:build linux

package main

import "context"

// scenario is a fault, and the way in which a bridge runs when it meets it.
type scenario struct {
	fault, way string
	play       play
	root       bool // it mounts something
	loses      bool // it promises nothing, so something must be missing
}

// play loads a bridge on a stage, breaks something, and returns what was seen.
type play func(ctx context.Context, s *stage) (row, error)

var scenarios = []scenario{
	{fault: "power cut", way: "embedded", play: powerCut(embedded, "BRIDGE_SYNC=commit"), root: true},
	{fault: "power cut", way: "embedded, stream at its limit", play: powerCut(embedded, "BRIDGE_SYNC=commit", "BRIDGE_STREAM_MAX_BYTES=10MiB"), root: true},
	{fault: "power cut", way: "embedded, BRIDGE_SYNC=server", play: powerCut(embedded, "BRIDGE_SYNC=server"), root: true},
	{fault: "power cut", way: "embedded, BRIDGE_SYNC=1h: must lose", play: powerCut(embedded, "BRIDGE_SYNC=1h"), root: true, loses: true},

	{fault: "kill -9 of the bridge", way: "embedded", play: killBridge(embedded)},
	{fault: "kill -9 of the bridge", way: "direct", play: killBridge(direct)},
	{fault: "kill -9 of the remote", way: "direct", play: killBroker(direct)},
	{fault: "kill -9 of both", way: "direct", play: killBoth(direct)},

	{fault: "SIGTERM", way: "embedded", play: sigterm(embedded)},
	{fault: "SIGTERM", way: "direct", play: sigterm(direct)},
	{fault: "SIGTERM, drain delay", way: "embedded", play: drainDelay(embedded)},
	{fault: "SIGTERM, drain delay", way: "direct", play: drainDelay(direct)},

	{fault: "remote away past the window", way: "direct", play: awayDirect},
}
