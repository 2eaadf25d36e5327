//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// service balances connections like a Kubernetes Service: it forwards each new connection to one of the ready bridges. An open connection
// stays where it is, and a refused one is not retried elsewhere.
type service struct {
	address  string
	listener net.Listener
	work     sync.WaitGroup

	mu       sync.Mutex
	replicas []*replica
	turn     int
	open     map[net.Conn]bool
}

// replica is a bridge behind a service.
type replica struct {
	site *site
	in   bool // new connections may go to it
}

const (
	// askEvery is how often the readiness of a replica is checked, and newsTake how long a change takes to have effect.
	askEvery = 50 * time.Millisecond
	newsTake = 300 * time.Millisecond
)

// openService opens a service in front of replicas, until the stage is closed.
func (s *stage) openService(ctx context.Context, sites ...*site) (*service, error) {
	address, err := s.address(ctx)
	if err != nil {
		return nil, err
	}
	front := &service{address: address, open: map[net.Conn]bool{}}
	if front.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	for _, at := range sites {
		front.replicas = append(front.replicas, &replica{site: at})
	}
	for _, r := range front.replicas {
		front.work.Go(func() { front.ask(ctx, r) })
	}
	front.work.Go(func() { front.serve(ctx) })
	s.undo = append(s.undo, func() error {
		end()
		err := front.listener.Close()
		front.hangUp()
		front.work.Wait()
		return err
	})
	return front, nil
}

// ask adds and removes a replica by its readiness.
func (f *service) ask(ctx context.Context, r *replica) {
	for pass(ctx, askEvery) == nil {
		ready := r.site.running().ready(ctx)
		if f.is(r) == ready || pass(ctx, newsTake) != nil {
			continue
		}
		f.mu.Lock()
		r.in = ready
		f.mu.Unlock()
	}
}

func (f *service) is(r *replica) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return r.in
}

// all returns when every replica gets new connections.
func (f *service) all(ctx context.Context) error {
	return until(ctx, startWithin, "every replica is in the service", func(context.Context) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return !slices.ContainsFunc(f.replicas, func(r *replica) bool { return !r.in })
	})
}

// next returns the address of the next ready replica; empty if none is.
func (f *service) next() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range f.replicas {
		f.turn++
		if r := f.replicas[f.turn%len(f.replicas)]; r.in {
			return r.site.listen
		}
	}
	return ""
}

func (f *service) serve(ctx context.Context) {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.work.Go(func() { f.join(ctx, client) })
	}
}

// join copies bytes both ways until both sides have closed.
func (f *service) join(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	bridge, err := (&net.Dialer{}).DialContext(ctx, "tcp", f.next())
	if err != nil {
		return
	}
	defer func() { _ = bridge.Close() }()
	f.keep(client, bridge)
	defer f.forget(client, bridge)
	var back sync.WaitGroup
	back.Go(func() { carry(client, bridge) })
	carry(bridge, client)
	back.Wait()
}

// carry copies bytes, and then closes to for writing.
func carry(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	_ = errors.Join(to.Close(), from.Close())
}

func (f *service) keep(conns ...net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range conns {
		f.open[conn] = true
	}
}

func (f *service) forget(conns ...net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range conns {
		delete(f.open, conn)
	}
}

func (f *service) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.open {
		_ = conn.Close()
	}
}
