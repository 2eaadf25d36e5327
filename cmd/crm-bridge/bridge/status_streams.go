package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// streams reports how full the bridge's streams are.
func (p *reporter) streams(ctx context.Context, r *status.Report) error {
	fills, err := p.store.Fills(ctx)
	r.Streams = []status.Stream{}
	for _, fill := range fills {
		one := status.Stream{
			Name: fill.Stream, Messages: fill.Messages, Bytes: fill.Bytes, Limit: fill.MaxBytes, Variable: fill.Variable, Oldest: known(fill.Oldest),
			Full: status.FullDrops, Foreign: fill.Err == nil && !fill.Own,
		}
		if fill.Rejects {
			one.Full = status.FullRejects
		}
		if fill.Err != nil {
			one.Unknown = terminal.Plainly(fill.Err)
		}
		if one.Foreign {
			one.Differences = fill.Differences
		}
		r.Streams = append(r.Streams, one)
	}
	return err
}

// beside puts the streams of the journal, of quarantine and of what was refused in their places too.
func (p *reporter) beside(r *status.Report) {
	of := func(name string) *status.Stream {
		for _, one := range r.Streams {
			if one.Name == name {
				return &one
			}
		}
		return nil
	}
	r.Quarantine = of(p.store.Quarantine.Stream)
	if r.Journal == nil {
		return
	}
	r.Refused = of(p.store.Refused.Stream)
	if found := of(p.store.Refused.Journal.Stream); found != nil {
		r.Journal.Stream = *found
	} else {
		r.Journal.Name = p.store.Refused.Journal.Stream
	}
}

// consumers reports who reads the streams, and what they gave up on.
func (p *reporter) consumers(ctx context.Context, r *status.Report) error {
	r.Consumers = []consumers.Consumer{}
	if _, err := p.store.Reach(); err != nil {
		return nil //nolint:nilerr // the journal, or the readiness, says so
	}
	all, err := p.store.Consumers.List(ctx)
	for _, one := range all {
		if one.Own {
			continue
		}
		if r.Consumers = append(r.Consumers, one); one.Dead > 0 {
			r.Dead = append(r.Dead, consumers.Count{Stream: one.Stream, Consumer: one.Name, Dead: one.Dead})
		}
	}
	if errors.Is(err, consumers.ErrTooMany) { // what those gave up on that are not listed is counted all the same
		var failed error
		if r.Dead, failed = p.store.Consumers.Dead.Counts(ctx); errors.Is(failed, consumers.ErrNoList) {
			failed = nil
		}
		r.Dead = slices.DeleteFunc(r.Dead, func(one consumers.Count) bool { return strings.HasPrefix(one.Consumer, publish.OwnConsumers) })
		err = errors.Join(err, failed)
	}
	return err
}

// certificates reports when those of the listeners expire.
func (p *reporter) certificates() (all []status.Certificate) {
	for _, one := range []struct{ variable, cert, key string }{
		{"BRIDGE_LISTEN_CERT", p.settings.ListenCert, p.settings.ListenKey},
		{"BRIDGE_NATS_LISTEN_CERT", p.settings.NATS.ListenCert, p.settings.NATS.ListenKey},
	} {
		if one.cert == "" {
			continue
		}
		found := status.Certificate{Variable: one.variable}
		leaf, err := leafOf(one.cert, one.key)
		if err != nil {
			found.Problem = terminal.Plainly(err)
		} else {
			found.Expires = known(leaf.NotAfter)
		}
		all = append(all, found)
	}
	return all
}

// leafOf returns the certificate in a file, as it is served with the key in the other.
func leafOf(cert, key string) (*x509.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(pair.Certificate[0])
}

// disk reports how full the disk of the data folder is; nil: nothing is kept there, or it is not known.
func (p *reporter) disk() *status.Disk {
	if p.settings.Direct() {
		return nil
	}
	free, total := store.Disk(p.settings.DataDir)
	if total == 0 {
		return nil
	}
	return &status.Disk{Folder: p.settings.DataDir, Free: free, Total: total}
}
