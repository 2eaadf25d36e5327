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

// path is the network between the bridge and its remote, which can be broken.
type path struct{ proxy *toxiproxy.Proxy }

// addPath prepares a path to an address; it takes connections only when it is started.
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

// mends takes all toxics away.
func (p path) mends(ctx context.Context) { p.proxy.Toxics.ResetToxics(ctx) }

// A black hole closes no connection: whoever sends into it learns nothing.
const (
	holeThere = `{"name":"there","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`
	holeBack  = `{"name":"back","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`
	reset     = `{"name":"reset","type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`
	late      = `{"name":"late","type":"latency","stream":"downstream","attributes":{"latency":100,"jitter":50}}`
	narrow    = `{"name":"narrow","type":"bandwidth","stream":"upstream","attributes":{"rate":400}}`
)

// outage is how long a path is broken or a disk full: two answer timeouts, which are one second here.
const outage = 2000 * time.Millisecond

// answersBy is when the last callback must have its answer: the answer timeout, and what a busy machine adds.
const answersBy = 2 * time.Second

// lostPath breaks the path to the remote for a while, so that nothing can come through.
func lostPath(d delivery, toxics ...string) play { return brokenPath(d, false, toxics) }

// onItsWay is the most that the bridge forwards without having an acknowledgement: a window full, one whose acknowledgement
// is waited for, and one that waits to enter the window.
const onItsWay = 1024 + 2

// forgottenPath breaks the path for longer than the remote knows an id again. What it stored and could not acknowledge is
// then there twice.
func forgottenPath(toxics ...string) play {
	return func(ctx context.Context, s *stage) (row, error) {
		r, err := brokenPath(journal, false, toxics, window)(ctx, s)
		r.doubles = "stored, its acknowledgement lost, and sent again after the window"
		r.require(r.double <= onItsWay, "%d events are there twice, and only %d can have been on their way", r.double, onItsWay)
		return r, err
	}
}

// badPath makes the path to the remote bad for a while, though everything can come through.
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

// hung stops the remote broker without ending it: its connections stand, and nothing answers.
func hung(d delivery) play {
	return func(ctx context.Context, s *stage) (row, error) {
		at, err := s.open(ctx, d)
		if err != nil {
			return row{}, err
		}
		return at.breakFor(ctx, outage, false, func() error { return at.remote.signal(syscall.SIGSTOP) }, func() error { return at.remote.signal(syscall.SIGCONT) })
	}
}

// breakFor loads the site and breaks something for a while. With a journal every callback is answered 200 meanwhile; in
// delivery direct each is answered in time, and with 200 where everything passes. Afterwards all goes on by itself.
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
	r.require(at.delivery == direct || r.counts[refused] == 0, "%d callbacks were answered 503, though the journal could keep them%s", r.counts[refused], at.bridge.log.end())
	r.note("meanwhile %d 200, %d 503", broken.answered, broken.refused)
	return r, err
}

// few is how many connections send while a bridge finds out that a connection is dead.
const few = 4

// halfOpen has the bridge's connection to the remote die without being closed, for good: only a new connection, by a second
// address of the same remote, comes through.
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
		at.connections = few // the journal fills for long, and must empty again
		if err := errors.Join(first.proxy.Start(), at.startBridge(ctx)); err != nil {
			return row{}, err
		}
		load := at.send(ctx)
		err = errors.Join(pass(ctx, s.load), first.breaks([]string{holeThere, holeBack}), second.proxy.Start())
		began := time.Now()
		// What was on its way is answered when its time is over; what comes later tells of the new connection.
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
