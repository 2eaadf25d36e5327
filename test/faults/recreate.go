//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// deleteStream deletes the remote stream under load. The bridge makes it again, and later events are in the new one. The events of the
// old one are lost with it, but count as stored: they are read while the bridge is suspended.
func deleteStream(d delivery) play {
	return loseStream(d, func(ctx context.Context, at *site) error {
		return at.remote.ask(ctx, func(ctx context.Context, js jetstream.JetStream) error {
			return errors.Join(js.DeleteStream(ctx, "CRM"), js.DeleteStream(ctx, "CRM_QUARANTINE"))
		})
	})
}

// wipeRemote kills the remote under load, and starts it again with an empty disk.
func wipeRemote(d delivery) play {
	return loseStream(d, func(ctx context.Context, at *site) error {
		return errors.Join(at.remote.kill(), os.RemoveAll(filepath.Join(at.folder, at.remote.name)), at.remote.start(ctx))
	})
}

func loseStream(d delivery, lose func(context.Context, *site) error) play {
	return func(ctx context.Context, s *stage) (row, error) {
		at, err := s.open(ctx, d)
		if err != nil {
			return row{}, err
		}
		load := at.send(ctx)
		if err := errors.Join(pass(ctx, s.load), at.bridge.signal(syscall.SIGSTOP)); err != nil {
			return row{}, err
		}
		r, held, err := at.readStill(ctx)
		if err != nil {
			return row{}, err
		}
		err = lose(ctx, at)
		at.ledger.next()
		began := time.Now()
		if err = errors.Join(err, at.bridge.signal(syscall.SIGCONT), at.recovers(ctx, began)); err != nil {
			return row{}, err
		}
		recovery := time.Since(began)
		err = pass(ctx, s.load)
		load.stop()
		if err := errors.Join(err, at.drains(ctx, drainWithin)); err != nil {
			return row{}, err
		}
		result, err := at.reconcile(ctx, r)
		result.recovery = recovery
		result.doubles = "stored in the old stream, its acknowledgement not yet read, and sent again to the new one"
		if d == direct {
			result.disorder = "the answers name sequences of the stream, and those of the new one begin at 1 again"
		}
		result.require(d == direct || result.counts[refused] == 0, "%d callbacks were answered 503, although the journal could store them%s", result.counts[refused], at.bridge.log.end())
		result.note("%d events in the old stream", held)
		return result, err
	}
}

// readStill reads the remote stream of a suspended bridge, again until nothing was in flight any more.
func (at *site) readStill(ctx context.Context) (*reconciler, uint64, error) {
	for before := uint64(0); ; {
		r := newReconciler(at.ledger)
		state, err := r.read(ctx, at.remote.URL, "CRM")
		if err != nil || state.LastSeq == before {
			return r, state.Msgs, err
		}
		before = state.LastSeq
	}
}

// rejectedPermanently sends a callback whose event the remote never accepts, among others. It is set aside and counted, and later events
// are not blocked.
func rejectedPermanently(size int, limit func(context.Context, *site) error, lines ...string) play {
	return func(ctx context.Context, s *stage) (row, error) {
		at, err := s.newSite(ctx, journal)
		if err != nil {
			return row{}, err
		}
		if at.remote, err = s.addBroker(ctx, "remote", lines...); err != nil {
			return row{}, err
		}
		at.path = at.remote.URL
		if err := errors.Join(at.remote.start(ctx), at.startBridge(ctx)); err != nil {
			return row{}, err
		}
		if limit != nil {
			if err := limit(ctx, at); err != nil {
				return row{}, err
			}
		}
		load := at.send(ctx)
		err = pass(ctx, s.load)
		large := fmt.Appendf(nil, `{"id":"large","padding":"%s"}`, bytes.Repeat([]byte("x"), size))
		if r := load.post(ctx, &http.Client{Timeout: answerWithin}, large); r.outcome != answered {
			err = errors.Join(err, fmt.Errorf("a callback that the journal can store was not answered 200: %s", r.what))
		}
		err = errors.Join(err, pass(ctx, s.load))
		load.stop()
		if err != nil {
			return row{}, err
		}
		r, err := at.settle(ctx)
		aside, ok := at.bridge.metric(ctx, "crm_bridge_refused_total")
		r.require(ok && aside == 1, "crm_bridge_refused_total is %g, not 1", aside)
		r.note("1 of %d KB set aside", size>>10)
		return r, err
	}
}

// smallMessages limits the size of the remote stream's messages.
func smallMessages(ctx context.Context, at *site) error {
	return at.remote.ask(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, "CRM")
		if err != nil {
			return err
		}
		config := stream.CachedInfo().Config
		config.MaxMsgSize = 4 << 10
		_, err = js.UpdateStream(ctx, config)
		return err
	})
}
