//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// path is a network path between the bridge and its remote, which can be broken.
type path struct{ proxy *toxiproxy.Proxy }

// addPath prepares a path to an address; it accepts connections once it is started.
func (s *stage) addPath(ctx context.Context, to string) (path, error) {
	listen, err := s.address(ctx)
	if err != nil {
		return path{}, err
	}
	zerolog.SetGlobalLevel(zerolog.Disabled)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := path{toxiproxy.NewProxy(server, "path", listen, to)}
	s.undo = append(s.undo, func() error { p.proxy.Stop(); return nil })
	return p, nil
}

func (p path) url() string { return "nats://" + p.proxy.Listen }

// breaks adds toxics, each as toxiproxy's JSON.
func (p path) breaks(toxics []string) error {
	for _, toxic := range toxics {
		if _, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return fmt.Errorf("break the path with %s: %w", toxic, err)
		}
	}
	return nil
}

// mends removes all toxics.
func (p path) mends(ctx context.Context) { p.proxy.Toxics.ResetToxics(ctx) }

// A black hole closes no connection: senders notice nothing.
const (
	holeThere = `{"name":"there","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`
	holeBack  = `{"name":"back","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`
	reset     = `{"name":"reset","type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`
	late      = `{"name":"late","type":"latency","stream":"downstream","attributes":{"latency":100,"jitter":50}}`
	narrow    = `{"name":"narrow","type":"bandwidth","stream":"upstream","attributes":{"rate":400}}`
)

// outage is how long a path is broken or a disk full: two answer timeouts, which are one second here.
const outage = 2000 * time.Millisecond

// answersBy is when every callback must be answered: the answer timeout, and the delay of a busy machine.
const answersBy = 2 * time.Second

// lostPath blocks the path to the remote for a while.
func lostPath(d delivery, toxics ...string) play { return brokenPath(d, false, toxics) }

// maxInFlight is how many events the bridge forwards without an acknowledgement: a full window, one whose acknowledgement is awaited,
// and one that waits to enter the window.
const maxInFlight = 2048 + 2

// forgottenPath breaks the path for longer than the duplicates window. Events that the remote stored and could not acknowledge are then
// stored twice.
func forgottenPath(toxics ...string) play {
	return func(ctx context.Context, s *stage) (row, error) {
		r, err := brokenPath(journal, false, toxics, window)(ctx, s)
		r.doubles = "stored, its acknowledgement lost, and sent again after the window"
		r.require(r.double <= maxInFlight, "%d events are stored twice, but at most %d can have been in flight", r.double, maxInFlight)
		return r, err
	}
}

// badPath makes the path to the remote slow for a while.
func badPath(d delivery, toxics ...string) play { return brokenPath(d, true, toxics) }

func brokenPath(d delivery, passes bool, toxics []string, env ...string) play {
	return func(ctx context.Context, s *stage) (row, error) {
		at, err := s.openSite(ctx, d, env...)
		if err != nil {
			return row{}, err
		}
		p, err := s.addPath(ctx, at.remote.address)
		if err != nil {
			return row{}, err
		}
		at.path = p.url()
		if err := errors.Join(p.proxy.Start(), at.startBridge(ctx)); err != nil {
			return row{}, err
		}
		return at.breakFor(ctx, outage, passes, func() error { return p.breaks(toxics) }, func() error { p.mends(ctx); return nil })
	}
}

// hung suspends the remote broker: its connections stay open, and nothing answers.
func hung(d delivery) play {
	return func(ctx context.Context, s *stage) (row, error) {
		at, err := s.open(ctx, d)
		if err != nil {
			return row{}, err
		}
		return at.breakFor(ctx, outage, false, func() error { return at.remote.signal(syscall.SIGSTOP) }, func() error { return at.remote.signal(syscall.SIGCONT) })
	}
}

// breakFor loads the site and breaks something for a while. With a journal every callback is answered 200 meanwhile; in delivery direct
// each is answered in time, and with 200 if everything passes. Afterwards the bridge recovers by itself.
func (at *site) breakFor(ctx context.Context, d time.Duration, passes bool, breaks, mends func() error) (row, error) {
	load := at.send(ctx)
	err := errors.Join(pass(ctx, at.load), breaks())
	at.ledger.next()
	err = errors.Join(err, pass(ctx, d))
	broken := at.ledger.next()
	began := time.Now()
	if err := errors.Join(err, mends(), at.recovers(ctx, began)); err != nil {
		return row{}, err
	}
	recovery := time.Since(began)
	err = pass(ctx, at.load/2)
	load.stop()
	if err != nil {
		return row{}, err
	}
	r, err := at.settle(ctx)
	r.recovery = recovery
	r.require(broken.unanswered == 0, "%d callbacks had no answer: %s", broken.unanswered, broken)
	r.require(at.delivery == journal || max(broken.slowest, broken.slowestSafe) < answersBy, "a callback was answered only after %s", max(broken.slowest, broken.slowestSafe))
	if at.delivery == journal || passes {
		r.require(broken.answered > 0 && broken.refused == 0, "not every callback was answered 200 meanwhile: %s%s", broken, at.bridge.log.end())
	}
	r.require(at.delivery == direct || r.counts[refused] == 0, "%d callbacks were answered 503, although the journal could store them%s", r.counts[refused], at.bridge.log.end())
	r.note("meanwhile %d 200, %d 503", broken.answered, broken.refused)
	return r, err
}

// few is how many connections send while a bridge detects a dead connection.
const few = 4

// halfOpen has the bridge's connection to the remote die permanently without being closed: only a new connection to a second address of
// the same remote works.
func halfOpen(d delivery) play {
	return func(ctx context.Context, s *stage) (row, error) {
		at, err := s.openSite(ctx, d)
		if err != nil {
			return row{}, err
		}
		first, err := s.addPath(ctx, at.remote.address)
		if err != nil {
			return row{}, err
		}
		second, err := s.addPath(ctx, at.remote.address)
		if err != nil {
			return row{}, err
		}
		at.path = first.url() + "," + second.url()
		at.connections = few // the journal fills for a long time, and must drain again
		if err := errors.Join(first.proxy.Start(), at.startBridge(ctx)); err != nil {
			return row{}, err
		}
		load := at.send(ctx)
		err = errors.Join(pass(ctx, s.load), first.breaks([]string{holeThere, holeBack}), second.proxy.Start())
		began := time.Now()
		// Callbacks in flight are answered after the timeout; later ones show whether the new connection works.
		err = errors.Join(err, pass(ctx, 2*time.Second))
		at.ledger.next()
		err = errors.Join(err, at.recovers(ctx, began))
		recovery := time.Since(began)
		load.stop()
		if err != nil {
			return row{}, err
		}
		r, err := at.settle(ctx)
		r.recovery = recovery
		return r, err
	}
}
