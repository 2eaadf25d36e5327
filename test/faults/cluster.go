//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// nodes is the size of the cluster, and the number of copies of each event.
const nodes = 3

// cluster is brokers that replicate each event. They sync to disk only periodically: the scenarios show that losing one process loses
// no event, not that a power cut of all of them loses none.
type cluster []*broker

// addCluster starts a cluster of brokers, and returns when it can place a replicated stream.
func (s *stage) addCluster(ctx context.Context) (cluster, error) {
	var routes []string
	for range nodes {
		address, err := s.address(ctx)
		if err != nil {
			return nil, err
		}
		routes = append(routes, address)
	}
	var c cluster
	for i, listen := range routes {
		b, err := s.addBroker(ctx, fmt.Sprintf("node%d", i+1), fmt.Sprintf("cluster { name: faults, listen: %q, routes: [ %s ] }", listen, "nats://"+strings.Join(routes, ", nats://")))
		if err != nil {
			return nil, err
		}
		if err := b.launch(ctx); err != nil {
			return nil, err
		}
		c = append(c, b)
	}
	for _, b := range c {
		if err := b.available(ctx); err != nil {
			return nil, err
		}
	}
	return c, c.places(ctx)
}

// places returns when the cluster can place each replica of a stream.
func (c cluster) places(ctx context.Context) error {
	return until(ctx, 30*time.Second, "the cluster takes a stream of three replicas", func(ctx context.Context) bool {
		return c[0].ask(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "PLACES", Replicas: nodes}); err != nil {
				return err
			}
			return js.DeleteStream(ctx, "PLACES")
		}) == nil
	})
}

// urls returns the servers of the cluster as the bridge's URL.
func (c cluster) urls() string {
	var urls []string
	for _, b := range c {
		urls = append(urls, b.URL)
	}
	return strings.Join(urls, ",")
}

// leader returns the broker that leads the stream.
func (c cluster) leader(ctx context.Context) (*broker, error) {
	var found *broker
	err := until(ctx, 20*time.Second, "a broker leads stream CRM", func(ctx context.Context) bool {
		_ = c[0].ask(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			stream, err := js.Stream(ctx, "CRM")
			if err != nil || stream.CachedInfo().Cluster == nil {
				return err
			}
			for _, b := range c {
				if b.name == stream.CachedInfo().Cluster.Leader {
					found = b
				}
			}
			return nil
		})
		return found != nil
	})
	return found, err
}

// whole returns when every replica is current.
func (c cluster) whole(ctx context.Context) error {
	return until(ctx, 40*time.Second, "every broker has all of stream CRM", func(ctx context.Context) bool {
		var info *jetstream.StreamInfo
		err := c[0].ask(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			stream, err := js.Stream(ctx, "CRM")
			if err == nil {
				info = stream.CachedInfo()
			}
			return err
		})
		return err == nil && info.Cluster != nil && len(info.Cluster.Replicas) == nodes-1 &&
			!slices.ContainsFunc(info.Cluster.Replicas, func(p *jetstream.PeerInfo) bool { return !p.Current || p.Offline })
	})
}

// killLeader kills the broker that leads the stream under load, and starts it again. Each time takes an election of seconds, so there
// are half as many rounds.
func killLeader(d delivery) play {
	return leading(d, 0.5, func(ctx context.Context, at *site, brokers cluster) error {
		leader, err := brokers.leader(ctx)
		if err != nil {
			return err
		}
		if err := errors.Join(leader.kill(), at.recovers(ctx, time.Now())); err != nil {
			return err
		}
		return errors.Join(leader.start(ctx), brokers.whole(ctx))
	})
}

// changeLeader has the stream's leader step down under load, which closes no connection.
func changeLeader(d delivery) play {
	return leading(d, 2, func(ctx context.Context, at *site, brokers cluster) error {
		leader, err := brokers.leader(ctx)
		if err != nil {
			return err
		}
		conn, _, err := dial(leader.URL)
		if err != nil {
			return err
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		_, err = conn.RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN.CRM", nil)
		return err
	})
}

// leading loads a bridge in front of a cluster, and changes the leader often times a round.
func leading(d delivery, often float64, change func(context.Context, *site, cluster) error) play {
	return func(ctx context.Context, s *stage) (row, error) {
		brokers, err := s.addCluster(ctx)
		if err != nil {
			return row{}, err
		}
		at, err := s.newSite(ctx, d, fmt.Sprintf("BRIDGE_STREAM_REPLICAS=%d", nodes))
		if err != nil {
			return row{}, err
		}
		at.remote, at.path = brokers[0], brokers.urls()
		if err := at.startBridge(ctx); err != nil {
			return row{}, err
		}
		load := at.send(ctx)
		var recovery time.Duration
		times := max(1, int(often*float64(s.rounds)))
		for range times {
			if err := pass(ctx, s.load); err != nil {
				return row{}, err
			}
			at.ledger.next()
			began := time.Now()
			if err := errors.Join(change(ctx, at, brokers), at.recovers(ctx, began)); err != nil {
				return row{}, err
			}
			recovery = max(recovery, time.Since(began))
		}
		load.stop()
		if _, err := brokers.leader(ctx); err != nil { // only the leader knows what the stream holds
			return row{}, err
		}
		r, err := at.settle(ctx)
		r.recovery = recovery
		r.disorder = "a leader that steps down drops messages in flight, and the next one stores later ones: the dropped ones are sent again, after them"
		r.require(d == direct || r.counts[refused] == 0, "%d callbacks were answered 503, although the journal could store them%s", r.counts[refused], at.bridge.log.end())
		r.note("%d times, %d replicas", times, nodes)
		return r, err
	}
}
