// Package bridge is what serve runs: receiving, events, the store and the admin address, wired in one place, and the list of CRMs.
package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/systemd"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/tracing"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// Bridge is everything that serve runs, wired together: callbacks → sources → accept (transform → publish) → store.
type Bridge struct {
	parts
	traces *tracing.Traces

	Callbacks *listener
	handler   *receive.Handler
	eraser    *erasing
	consumers *consumers.Metrics // of the streams' consumers
	Events    *Events            // for a person who looks at them

	health   *health
	reports  *sharedReports
	Admin    *listener
	commands http.Handler // of the admin address
	pages    *console.Console
}

// Open opens everything that can fail at the start. Close releases it, also after an error of Run.
func Open(ctx context.Context, s config.Settings, crms []Opener, log *slog.Logger) (b *Bridge, err error) {
	b = &Bridge{parts: parts{Settings: s, Log: log}}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if b.traces, err = tracing.Open(s.Traces, registry, log); err != nil {
		return b, err
	}
	if !s.Direct() {
		if b.data, err = datadir.Open(ctx, s.DataDir, log); err != nil {
			return b, err
		}
	}
	var shared DeferredState
	opening := Opening{
		Env: &config.Environment{}, Wake: b.wake,
		Setup: ingest.Setup{MadeSecret: b.madeSecret, PublicURLs: s.PublicURL, State: shared.State(), Log: log},
	}
	if b.CRMs, err = opening.Open(crms); err != nil {
		return b, err
	}
	if b.Store, err = openStore(ctx, s, b.data, b.CRMs, registry, log); err != nil {
		return b, err
	}
	if err = b.wire(ctx, &shared, registry); err != nil {
		return b, err
	}
	if b.Callbacks, b.Admin, err = openListeners(ctx, s, b.handler, log); err != nil {
		return b, err
	}
	b.pages.Hosts = append(b.pages.Hosts, ownHost(b.Admin.Addr().String())...) // the address of a name
	warnOfSecrets(b.CRMs, log)
	return b, nil
}

// wire leads callbacks from the sources through Accept into the store, and sets up what the admin address serves.
func (b *Bridge) wire(ctx context.Context, shared *DeferredState, registry *prometheus.Registry) error {
	s, log := b.Settings, b.Log
	token, err := b.data.Secret(datadir.AdminSecret)
	if err != nil {
		return err
	}
	own, err := ownSecrets(s, b.data)
	if err != nil {
		return err
	}
	mapping, err := NewMapping(s, own, b.CRMs)
	if err != nil {
		return err
	}
	last, api := &lastCallbacks{}, newContract(s, b.CRMs, b.Store, log)
	accept := func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
		acks, err := Pipeline{mapping, b.Store}.Accept(ctx, changes)
		if err == nil {
			last.note(changes)
			api.note(acks)
		}
		return acks, err
	}
	one := settler{&sync.Mutex{}, log}
	kept := &waitings{
		&callbacks{Quarantine: b.Store.Quarantine, store: b.Store, crms: b.CRMs, mapping: mapping, accept: accept, settler: one},
		&refused{b.Store.Refused, one},
	}
	b.handler = &receive.Handler{
		Sources: b.CRMs.first().Sources(), Further: b.CRMs.further(), Accept: accept, Quarantine: kept.callbacks.keep, Log: log, Metrics: receive.NewMetrics(registry),
		Traces: b.traces.Recorder(), Prove: b.CRMs.prove,
		MaxBody: int64(s.MaxBody), AnswerTimeout: time.Duration(s.AnswerTimeout), PerRecord: s.EventPer == "record",
		Rate: float64(s.Rate), Allow: s.Allow, TrustedProxies: s.TrustedProxies, Prefixes: s.PublicURL.Paths(),
		Public: map[string]receive.PublicFile{"/schemas/v1/{family}": schemaOf(mapping.Schemas), "/asyncapi.yaml": api.document, "/asyncapi.html": api.page},
	}
	b.health = &health{store: b.Store, stream: s.Stream}
	if kept := b.CRMs.kept(); len(kept) > 0 {
		b.Keeper = &keep.Keeper{
			CRMs: kept, Accept: accept, Ready: b.health.ready, Replica: b.Store.Replica, Metrics: keep.NewKeeperMetrics(registry), Log: log,
		}
		b.handler.Missed = b.Keeper.Missed
		if err := b.openKeeper(ctx, shared); err != nil {
			return err
		}
	}
	if b.records, err = openRecords(ctx, &b.parts, mapping, registry); err != nil {
		return err
	}
	subscriptions := &channels{keeper: b.Keeper, crms: b.CRMs, last: last, log: log}
	b.consumers = consumers.NewMetrics(registry, b.Store.Consumers.List)
	b.reports = &sharedReports{reporter: newReporter(&b.parts, b.health, b.handler.Metrics, subscriptions, registry)}
	b.Events, b.Replays = openEvents(&b.parts), openReplays(&b.parts)
	b.eraser = newErasing(&b.parts)
	b.pages = openConsole(&b.parts, trust(token), b.Report, b.Events, kept, subscriptions)
	b.commands = b.reports.afterChanges(adminHandler(b.health, metricsPage(registry, b.traces.Recorder() != nil), b.pages.Handler(), trust(token), linkRoutes(b.pages), kept.routes(), b.eraser.routes(),
		subscriptions.routes(), b.reports.routes(), (&consumerRoutes{b.Store.Consumers, log}).routes()))
	return nil
}

// Report returns how the bridge is, and what needs a person, as of a second ago or later.
func (b *Bridge) Report(ctx context.Context) status.Report { return b.reports.recent(ctx) }

// ConsoleLink returns the URL of a one-time link that signs in to the console, for five minutes.
func (b *Bridge) ConsoleLink() string { return "http://" + Reachable(b.Admin) + b.pages.Link() }

// madeSecret implements ingest.Setup.MadeSecret. Beside a remote NATS there may be replicas, whose secrets would differ.
func (b *Bridge) madeSecret(name string) (string, error) {
	if !b.Settings.Embedded() {
		return "", nil
	}
	return b.data.Secret(name)
}

// openKeeper opens the state that replicas share. Without a key secrets are kept in this process alone.
func (b *Bridge) openKeeper(ctx context.Context, shared *DeferredState) (err error) {
	key := b.Settings.StateKey
	if key == "" {
		if key, err = b.madeSecret(datadir.StateSecret); err != nil {
			return err
		}
	}
	state, err := b.Store.State(ctx)
	if err != nil {
		return err
	}
	if b.Keeper.State, err = OpenState(state, key, b.Log); err == nil {
		shared.Open(b.Keeper.State)
	}
	return err
}

// wakeTimeout bounds how long an installation waits until the replica that keeps subscriptions can see it.
const wakeTimeout = 5 * time.Second

// wake has the subscriptions of a CRM checked soon, for example after an installation.
func (b *Bridge) wake(crm *ingest.CRM) {
	ctx, cancel := context.WithTimeout(context.Background(), wakeTimeout)
	defer cancel()
	if err := b.Keeper.Wake(ctx, crm); err != nil {
		b.Log.Warn("subscriptions were not checked right after an installation; the next check covers it", "error", err)
	}
}

// Run answers callbacks until ctx ends, then drains: accepted requests are answered, what was published is
// acknowledged, and only then may Close stop the server below.
func (b *Bridge) Run(ctx context.Context) error {
	ctx = trace.In(ctx, b.traces.Recorder())
	return b.Store.Run(ctx, func(lost <-chan error) error { return b.serve(ctx, lost) })
}

// drainTimeout is how long, beyond the answer timeout, requests may take to end: as long as a request may take to come.
const drainTimeout = 20 * time.Second

// closeTimeout is how long a service manager is asked to wait for Close beyond that: for an fsync and the files of the store.
const closeTimeout = 10 * time.Second

func (b *Bridge) serve(ctx context.Context, lost <-chan error) (err error) {
	timeout := time.Duration(b.Settings.AnswerTimeout)
	front := b.Callbacks.server(b.health.closeWhileDraining(b.handler.HTTP()), timeout, b.Log)
	back := b.Admin.server(b.commands, timeout, b.Log)
	back.BaseContext = func(net.Listener) context.Context { return trace.In(context.Background(), b.traces.Recorder()) }
	back.RegisterOnShutdown(b.pages.End)
	received, asked := make(chan error, 1), make(chan error, 1)
	go func() { received <- front.Serve(b.Callbacks) }()
	go func() { asked <- back.Serve(b.Admin) }()
	keeping, unkeep := context.WithCancel(ctx)
	defer unkeep()
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		b.keep(keeping)
	}()
	b.health.serving.Store(true)
	service := systemd.Service{Log: b.Log}
	service.Ready("Receiving callbacks on " + b.Callbacks.Addr().String())

	select {
	case err = <-received:
		received <- nil
	case err = <-asked:
		asked <- nil
	case err = <-lost:
	case <-ctx.Done():
	}
	if err != nil {
		b.Log.Error("ending", "reason", err)
	} else {
		b.Log.Info("draining", "delay", b.Settings.DrainDelay.String())
	}
	b.health.draining.Store(true)
	service.Stopping(time.Duration(b.Settings.DrainDelay) + drainTimeout + timeout + closeTimeout)
	if err == nil && b.Settings.DrainDelay > 0 {
		<-time.After(time.Duration(b.Settings.DrainDelay))
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout+timeout)
	defer cancel()
	err = errors.Join(err, b.Callbacks.drain(drain, received), front.Shutdown(drain))
	b.handler.Flush()
	unkeep()
	select {
	case <-kept:
	case <-drain.Done():
	}
	if b.Keeper != nil {
		b.Keeper.Flush(context.WithoutCancel(ctx)) // what was refused after Run had ended, too
	}
	err = errors.Join(err, b.Store.Drain(drain), back.Shutdown(drain))
	if failed := <-asked; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

// keep keeps subscriptions and records, serves the watchdog, samples the rates of callbacks, and runs replay jobs, until ctx ends.
func (b *Bridge) keep(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	if b.Keeper != nil {
		all.Go(func() { b.Keeper.Run(ctx) })
	}
	for _, one := range b.records {
		all.Go(func() { one.Run(ctx) })
	}
	all.Go(func() {
		systemd.Service{Log: b.Log}.Watch(ctx, func(ctx context.Context) error { return alive(ctx, b.Admin) })
	})
	all.Go(func() { b.reports.reporter.rates.Run(ctx) })
	all.Go(func() { b.consumers.Run(ctx) })
	all.Go(func() { b.Replays.Run(ctx) })
	b.eraser.run(ctx, &all)
}

// Close stops what Open started, each part before what it depends on.
func (b *Bridge) Close() {
	for _, one := range []*listener{b.Callbacks, b.Admin} {
		if one != nil {
			_ = one.Close()
		}
	}
	b.Events.close()
	if b.Store != nil {
		b.Store.Close()
	}
	b.traces.Close()
	_ = b.data.Close()
}
