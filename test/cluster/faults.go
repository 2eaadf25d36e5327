package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// stage is what a fault acts on.
type stage struct {
	*release
	broker *broker // nil with the embedded way
	load   *load
	notes  []string // of the fault that is played
}

func (s *stage) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// fault is something that happens under load. It returns when the bridge should be well again.
type fault struct {
	name string
	ways []way
	play func(context.Context, *stage) error
	when func(settings) bool // nil: always
}

var remotely = []way{journal, direct}

// faults are played in this order: each goes on from what the one before it has left.
var faults = []fault{
	{name: "nothing", ways: allWays, play: func(context.Context, *stage) error { return nil }},
	{name: "a pod deleted by force", ways: allWays, play: killOne},
	{name: "every pod deleted by force", ways: remotely, play: killAll},
	{name: "every pod evicted, one after the other", ways: allWays, play: evictEach},
	{name: "a node drained", ways: allWays, play: drainNode, when: func(s settings) bool { return s.drain }},
	{name: "upgrade of values", ways: allWays, play: upgradeValues},
	{name: "rollback", ways: allWays, play: rollBack},
	{name: "upgrade of the image", ways: allWays, play: upgradeImage, when: func(s settings) bool { return s.next != "" }},
	{name: "upgrade to a wrong setting", ways: allWays, play: wrongSetting},
	{name: "scaled from 2 to 3", ways: remotely, play: scaleUp},
	{name: "scaled from 3 to 2 and back", ways: remotely, play: scaleDown},
	{name: "delivery changed to direct", ways: []way{journal}, play: strand},
	{name: "autoscaling switched on and off", ways: []way{direct}, play: autoscale},
	{name: "each NATS node deleted by force", ways: remotely, play: killBrokers},
	{name: "NATS without a quorum", ways: remotely, play: loseQuorum},
	{name: "uninstalled and installed", ways: allWays, play: reinstall},
	{name: "uninstalled without a quorum, and installed", ways: []way{journal}, play: reinstallWithoutQuorum},
}

func killOne(ctx context.Context, s *stage) error {
	pods, err := s.site.pods(ctx, selector)
	if err != nil || len(pods) == 0 {
		return errors.Join(err, ctx.Err())
	}
	return s.replace(ctx, pods[:1])
}

func killAll(ctx context.Context, s *stage) error {
	pods, err := s.site.pods(ctx, selector)
	if err != nil {
		return err
	}
	return s.replace(ctx, pods)
}

// replace kills pods, and returns when others are ready in their place.
func (s *stage) replace(ctx context.Context, pods []pod) error {
	if err := s.site.kill(ctx, pods...); err != nil {
		return err
	}
	if err := s.settled(ctx, pods); err != nil {
		return err
	}
	return s.noteRestarts(ctx)
}

// noteRestarts notes how often containers of the present pods were restarted.
func (s *stage) noteRestarts(ctx context.Context) error {
	pods, err := s.site.pods(ctx, selector)
	restarts := 0
	for _, p := range pods {
		for _, c := range p.Status.ContainerStatuses {
			restarts += c.RestartCount
		}
	}
	if restarts > 0 {
		s.note("%d restarts of containers", restarts)
	}
	return err
}

func evictEach(ctx context.Context, s *stage) error {
	pods, err := s.site.pods(ctx, selector)
	if err != nil {
		return err
	}
	for _, p := range pods {
		if err := s.site.evict(ctx, p); err != nil {
			return err
		}
		if err := s.settled(ctx, []pod{p}); err != nil {
			return err
		}
	}
	return nil
}

// drainNode evicts the pods of the bridge from a node, which takes no others meanwhile. Of the nodes it takes the one with the fewest:
// two pods on it, with claims that no other node can mount, would never be evicted within their disruption budget.
func drainNode(ctx context.Context, s *stage) (err error) {
	pods, err := s.site.pods(ctx, selector)
	if err != nil || len(pods) == 0 {
		return errors.Join(err, ctx.Err())
	}
	on := map[string][]pod{}
	for _, p := range pods {
		on[p.Spec.NodeName] = append(on[p.Spec.NodeName], p)
	}
	node := slices.MinFunc(slices.Sorted(maps.Keys(on)), func(a, b string) int { return len(on[a]) - len(on[b]) })
	defer func() {
		_, uncordoned := s.site.kubectl(context.WithoutCancel(ctx), "", "uncordon", node)
		if err = errors.Join(err, uncordoned); err == nil {
			err = s.settled(ctx, on[node])
		}
	}()
	_, err = s.site.kubectl(ctx, "", "drain", node, "--pod-selector", runLabel+"="+s.site.runID, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout", "2m")
	return err
}

func killBrokers(ctx context.Context, s *stage) error {
	nodes, err := s.site.pods(ctx, "app=nats")
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if err := s.site.kill(ctx, node); err != nil {
			return err
		}
		if err := s.broker.settled(ctx, brokerNodes, []pod{node}); err != nil {
			return err
		}
		if err := s.load.flows(ctx, s.site.within, 50); err != nil { // one node at a time: it must have caught up
			return err
		}
	}
	return nil
}

func loseQuorum(ctx context.Context, s *stage) error {
	return s.broker.withoutQuorum(ctx, func() error { return pause(ctx, outage) })
}
