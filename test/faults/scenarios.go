//go:build linux

package main

import "context"

// scenario is a fault, and the way in which the bridge is run.
type scenario struct {
	fault, way string
	play       play
	root       bool // it mounts something
	loses      bool // it guarantees nothing, so events must be missing
	waits      bool // it mostly waits
}

// play loads a bridge on a stage, breaks something, and returns what it observed.
type play func(ctx context.Context, s *stage) (row, error)

var scenarios = []scenario{
	{fault: "power cut", way: "embedded", play: powerCut(embedded, "BRIDGE_SYNC=commit"), root: true},
	{fault: "power cut", way: "embedded, stream at its limit", play: powerCut(embedded, "BRIDGE_SYNC=commit", "BRIDGE_STREAM_MAX_BYTES=10MiB"), root: true},
	{fault: "power cut", way: "embedded, BRIDGE_SYNC=server", play: powerCut(embedded, "BRIDGE_SYNC=server"), root: true},
	{fault: "power cut", way: "embedded, BRIDGE_SYNC=1h: must lose", play: powerCut(embedded, "BRIDGE_SYNC=1h"), root: true, loses: true},
	{fault: "power cut", way: "journal", play: powerCut(journal), root: true},
	{fault: "power cut", way: "journal, remote down before it", play: powerCutBacklog(), root: true},

	{fault: "power cut after an erasure", way: "embedded", play: eraseCut(embedded, false), root: true},
	{fault: "power cut after an erasure", way: "journal", play: eraseCut(journal, false), root: true},
	{fault: "power cut in an erasure", way: "embedded", play: eraseCut(embedded, true), root: true},
	{fault: "power cut in an erasure", way: "journal", play: eraseCut(journal, true), root: true},

	{fault: "kill -9 of the bridge", way: "embedded", play: killBridge(embedded)},
	{fault: "kill -9 of the bridge", way: "journal", play: killBridge(journal)},
	{fault: "kill -9 of the bridge", way: "direct", play: killBridge(direct)},
	{fault: "kill -9 of the remote", way: "journal", play: killBroker(journal)},
	{fault: "kill -9 of the remote", way: "direct", play: killBroker(direct)},
	{fault: "kill -9 of both", way: "journal", play: killBoth(journal)},
	{fault: "kill -9 of both", way: "direct", play: killBoth(direct)},

	{fault: "SIGTERM", way: "embedded", play: sigterm(embedded)},
	{fault: "SIGTERM", way: "journal", play: sigterm(journal)},
	{fault: "SIGTERM", way: "direct", play: sigterm(direct)},
	{fault: "SIGTERM, drain delay", way: "embedded", play: drainDelay(embedded)},
	{fault: "SIGTERM, drain delay", way: "journal", play: drainDelay(journal)},
	{fault: "SIGTERM, drain delay", way: "direct", play: drainDelay(direct)},

	{fault: "rolling upgrade", way: "journal, 2 replicas", play: upgrade(journal)},
	{fault: "rolling upgrade", way: "direct, 2 replicas", play: upgrade(direct)},
	{fault: "upgrade", way: "embedded", play: upgradeAlone},

	{fault: "remote down past the window", way: "journal", play: downJournal},
	{fault: "remote down past the window", way: "direct", play: downDirect},
	{fault: "remote down at the start", way: "journal", play: absent(journal)},
	{fault: "remote down at the start", way: "direct", play: absent(direct)},

	{fault: "black hole", way: "journal", play: lostPath(journal, holeThere, holeBack)},
	{fault: "black hole", way: "direct", play: lostPath(direct, holeThere, holeBack)},
	{fault: "acknowledgements lost", way: "journal", play: lostPath(journal, holeBack)},
	{fault: "acknowledgements lost", way: "direct", play: lostPath(direct, holeBack)},
	{fault: "acknowledgements lost past the window", way: "journal", play: forgottenPath(holeBack)},
	{fault: "connections reset", way: "journal", play: lostPath(journal, reset)},
	{fault: "connections reset", way: "direct", play: lostPath(direct, reset)},
	{fault: "latency of 100 ms", way: "journal", play: badPath(journal, late)},
	{fault: "latency of 100 ms", way: "direct", play: badPath(direct, late)},
	{fault: "400 KB/s to the remote", way: "journal", play: badPath(journal, narrow)},
	{fault: "400 KB/s to the remote", way: "direct", play: badPath(direct, narrow)},
	{fault: "remote hangs", way: "journal", play: hung(journal), waits: true},
	{fault: "remote hangs", way: "direct", play: hung(direct), waits: true},
	{fault: "half-open permanently", way: "journal", play: halfOpen(journal), waits: true},
	{fault: "half-open permanently", way: "direct", play: halfOpen(direct), waits: true},

	{fault: "disk full", way: "embedded", play: diskFull(embedded), root: true},
	{fault: "disk full", way: "journal", play: diskFull(journal), root: true},
	{fault: "disk full permanently", way: "journal", play: diskFullForwarded, root: true},
	{fault: "remote's disk full", way: "journal", play: remoteFull(journal), root: true},
	{fault: "remote's disk full", way: "direct", play: remoteFull(direct), root: true},
	{fault: "journal full", way: "journal", play: journalFull},

	{fault: "kill -9 of the leader", way: "journal, 3 nodes", play: killLeader(journal), waits: true},
	{fault: "kill -9 of the leader", way: "direct, 3 nodes", play: killLeader(direct), waits: true},
	{fault: "leader steps down", way: "journal, 3 nodes", play: changeLeader(journal)},
	{fault: "leader steps down", way: "direct, 3 nodes", play: changeLeader(direct)},

	{fault: "remote stream deleted", way: "journal", play: deleteStream(journal)},
	{fault: "remote stream deleted", way: "direct", play: deleteStream(direct)},
	{fault: "remote's disk lost", way: "journal", play: wipeRemote(journal)},
	{fault: "remote's disk lost", way: "direct", play: wipeRemote(direct)},
	{fault: "too large for the remote stream", way: "journal", play: rejectedPermanently(8<<10, smallMessages)},
	{fault: "too large for the remote", way: "journal", play: rejectedPermanently(100<<10, nil, "max_payload: 64KB")},
}
