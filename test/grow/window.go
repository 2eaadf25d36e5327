package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// windowMB is the target of the memory of a bridge with a full duplicates window.
const windowMB = 200

const (
	// loadConnections send callbacks at once, for loadTime.
	loadConnections = 64
	loadTime        = 10 * time.Second
	// idSubjects is on how many subjects the events of the window are: few, for the server also remembers the subjects of each block.
	idSubjects = 10
)

// window measures a bridge with many ids in its duplicates window: under load, and when it starts again after it was killed.
func (p plan) window(ctx context.Context) (rows []row, err error) {
	data := filepath.Join(p.dir, fmt.Sprintf("window-%d", time.Now().UnixNano()))
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	const long = "BRIDGE_STREAM_DUPLICATES=20m" // longer than this takes
	b, err := p.start(ctx, data, long)
	if err != nil {
		return nil, err
	}
	if err := p.putIDs(ctx, b); err != nil {
		return nil, errors.Join(err, b.kill())
	}
	sent, err := b.load(ctx)
	under, failed := usageOf(b.cmd.Process.Pid)
	if err = errors.Join(err, failed, b.kill()); err != nil {
		return nil, err
	}
	if b, err = p.start(ctx, data, long); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d ids in the duplicates window", p.ids)
	return []row{
		{name + fmt.Sprintf(", and %d callbacks with %d connections: memory", sent, loadConnections), []float64{mb(under.resident)}, windowMB, "MB"},
		{"its peak", []float64{mb(under.peak)}, windowMB, "MB"},
		{name + ": start after kill -9, until ready", []float64{b.took.Seconds()}, startSeconds, "s"},
		{"memory then", []float64{mb(b.atReady.resident)}, windowMB, "MB"},
		{"its peak by then", []float64{mb(b.atReady.peak)}, windowMB, "MB"},
	}, b.kill()
}

// putIDs fills the window through the bridge's own NATS server, as its owner.
func (p plan) putIDs(ctx context.Context, b *bridge) error {
	js, end, err := b.owner()
	if err != nil {
		return err
	}
	defer end()
	return put(ctx, js, "CRM", p.ids, func(n int) *nats.Msg {
		msg := event(n, idSubjects)
		msg.Header[nats.MsgIdHdr] = []string{fmt.Sprintf("%043d", n)} // as long as the digest of a change
		return msg
	})
}

// owner connects to the bridge's own NATS server as its owner; end closes the connection.
func (b *bridge) owner() (js jetstream.JetStream, end func(), err error) {
	password, err := b.secret("nats-password")
	if err != nil {
		return nil, nil, err
	}
	conn, err := nats.Connect("nats://"+b.nats, nats.UserInfo("crm-bridge", password), nats.CustomInboxPrefix("_crm_bridge"))
	if err != nil {
		return nil, nil, err
	}
	if js, err = jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4096)); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return js, conn.Close, nil
}

// load sends callbacks over many connections, and returns how many were answered.
func (b *bridge) load(ctx context.Context) (sent int, err error) {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	answered, errs := make([]int, loadConnections), make([]error, loadConnections)
	var sending sync.WaitGroup
	for i := range loadConnections {
		sending.Go(func() {
			for n := i; ctx.Err() == nil; n += loadConnections {
				if err := b.post(ctx, n); err != nil && ctx.Err() == nil {
					errs[i] = err
					return
				} else if err == nil {
					answered[i]++
				}
			}
		})
	}
	sending.Wait()
	for _, n := range answered {
		sent += n
	}
	return sent, errors.Join(errs...)
}
