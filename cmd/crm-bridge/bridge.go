package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// bridge is everything that serve runs, wired together: callbacks → sources → accept (transform → publish) → store.
type bridge struct {
	settings config.Settings
	log      *slog.Logger
	data     *datadir.Dir // nil: nothing is kept on this machine

	callbacks *door
	handler   *receive.Handler
	crms      opened
	shared    laterState   // what replicas share; it answers once there is a keeper
	keeper    *keep.Keeper // nil where no CRM's API is configured
	store     *store.Store

	health   *health
	admin    *door
	commands http.Handler // what is asked for at the admin address
}

// openBridge opens all that can fail at the start; Close gives it free again.
func openBridge(ctx context.Context, s config.Settings, crms []opener, log *slog.Logger) (b *bridge, err error) {
	b = &bridge{settings: s, log: log}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if !s.Direct() {
		if b.data, err = datadir.Open(s.DataDir); err != nil {
			return b, err
		}
	}
	setup := ingest.Setup{
		Env: (&config.Environment{}).Load, MadeSecret: b.madeSecret, PublicURL: s.BaseURL(), State: b.shared.State(), Wake: b.wake, Log: log,
	}
	if b.crms, err = openCRMs(crms, setup); err != nil {
		return b, err
	}
	if b.store, err = openStore(ctx, s, b.data, b.crms, registry, log); err != nil {
		return b, err
	}
	if err = b.wire(ctx, registry); err != nil {
		return b, err
	}
	if err = b.listen(ctx); err != nil {
		return b, err
	}
	warnOfSecrets(b.crms.sources(), log)
	return b, nil
}

// wire leads callbacks from the sources through accept into the store, and everything else to where it is asked for.
func (b *bridge) wire(ctx context.Context, registry *prometheus.Registry) error {
	s, log := b.settings, b.log
	token, err := b.data.Secret(datadir.AdminSecret)
	if err != nil {
		return err
	}
	own, err := ownSecrets(s, b.data)
	if err != nil {
		return err
	}
	mapping, err := newMapping(s, own, b.crms)
	if err != nil {
		return err
	}
	heard, told := &heard{}, newContract(s, b.crms, b.store, log)
	accept := func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
		acks, err := accepting{mapping, b.store}.accept(ctx, changes)
		if err == nil {
			heard.note(changes)
			told.note(acks)
		}
		return acks, err
	}
	one := settler{&sync.Mutex{}, log}
	kept := &quarantine{store: b.store, refused: &refused{b.store.Refused, one}, crms: b.crms, mapping: mapping, accept: accept, settler: one}
	b.handler = &receive.Handler{
		Sources: b.crms.sources(), Accept: accept, Quarantine: kept.keep, Log: log, Metrics: receive.NewMetrics(registry),
		MaxBody: int64(s.MaxBody), AnswerTimeout: time.Duration(s.AnswerTimeout), PerRecord: s.EventPer == "record",
		Rate: float64(s.Rate), Allow: s.Allow, TrustedProxies: s.TrustedProxies,
		Public: map[string]receive.Document{"/schemas/v1/{family}": schemaOf(mapping.Schemas), "/asyncapi.yaml": told.document, "/asyncapi.html": told.page},
	}
	b.health = &health{store: b.store, stream: s.Stream}
	if kept := slices.DeleteFunc(slices.Clone(b.crms), func(crm *ingest.CRM) bool { return !crm.Keeps() }); len(kept) > 0 {
		b.keeper = &keep.Keeper{
			CRMs: kept, Accept: accept, Ready: b.health.ready, Replica: b.store.Replica, Metrics: keep.NewKeeperMetrics(registry), Log: log,
		}
		b.handler.Missed = b.keeper.Missed
		if err := b.openKeeper(ctx); err != nil {
			return err
		}
	}
	b.commands = adminHandler(b.health, registry, trust(token), kept.routes(),
		(&channels{keeper: b.keeper, crms: b.crms, heard: heard, log: log}).routes())
	return nil
}

// madeSecret implements ingest.Setup.MadeSecret. Beside a remote NATS there may be replicas, whose secrets would differ.
func (b *bridge) madeSecret(name string) (string, error) {
	if !b.settings.Embedded() {
		return "", nil
	}
	return b.data.Secret(name)
}

// openKeeper opens what replicas share, for the keeper and the CRMs. Without a key secrets are kept in this process alone.
func (b *bridge) openKeeper(ctx context.Context) (err error) {
	key := b.settings.StateKey
	if key == "" {
		if key, err = b.madeSecret(datadir.StateSecret); err != nil {
			return err
		}
	}
	state, err := b.store.State(ctx)
	if err != nil {
		return err
	}
	if b.keeper.State, err = openState(state, key, b.log); err == nil {
		b.shared.open(b.keeper.State)
	}
	return err
}

// wakeTimeout bounds how long an installation waits until the replica that keeps subscriptions can see it.
const wakeTimeout = 5 * time.Second

// wake has subscriptions looked after soon, as after an installation.
func (b *bridge) wake() {
	ctx, cancel := context.WithTimeout(context.Background(), wakeTimeout)
	defer cancel()
	if err := b.keeper.Wake(ctx); err != nil {
		b.log.Warn("what an installation needs is done later", "error", err)
	}
}

// listen opens the listeners, and bounds what comes in.
func (b *bridge) listen(ctx context.Context) (err error) {
	s, memory := b.settings, config.ProcessMemory()
	most, err := s.Connections(memory, config.OpenFiles())
	if err != nil {
		return err
	}
	b.sayLimits(memory, memory.LimitGo(), most)
	b.handler.MaxInFlight, b.handler.MaxInFlightBytes = s.RequestsAtOnce(most), s.InFlightBytes(memory)
	callbacks := &receive.Connections{Max: most, HeaderBytes: s.InFlightBytes(memory) / 4, Label: "connections", Metrics: b.handler.Metrics}
	if b.callbacks, err = listen(ctx, "BRIDGE_LISTEN", s.Listen, s.ListenCert, s.ListenKey, callbacks, b.log); err != nil {
		return err
	}
	admin := &receive.Connections{Max: config.AdminConnections, HeaderBytes: 1 << 20, Label: "admin_connections", Metrics: b.handler.Metrics}
	b.admin, err = listen(ctx, "BRIDGE_ADMIN_LISTEN", s.AdminListen, "", "", admin, b.log)
	return err
}

// sayLimits puts the limits that belong together into one sentence.
func (b *bridge) sayLimits(m config.MemoryLimit, goLimit int64, connections int) {
	held := fmt.Sprintf("bodies in flight hold at most %s, connections at most %d", config.Size(b.settings.InFlightBytes(m)), connections)
	if m.Limit == 0 {
		b.log.Info("memory is not limited; " + held)
		return
	}
	b.log.Info(fmt.Sprintf("memory is limited to %s by %s; Go keeps within %s; %s", config.Size(m.Limit), m.From, config.Size(goLimit), held))
}

// shortSecret is the length from which a secret can be masked wherever it stands.
const shortSecret = 12

// warnOfSecrets warns of sources whose secrets are missing, or too short.
func warnOfSecrets(sources []ingest.Source, log *slog.Logger) {
	for _, source := range sources {
		label, values := source.Label(), source.Secrets().Values
		if slices.ContainsFunc(values, func(secret string) bool { return len(secret) < shortSecret }) {
			log.Warn("a secret of this source is short: it can be guessed, and cannot be masked inside other text", "source", label, "shorter_than", shortSecret)
		}
		if len(values) == 0 {
			log.Warn("no secret is configured for this source: it answers 401 to everything", "source", label)
		}
	}
}

// Run answers callbacks until ctx ends, then drains: accepted requests are answered, what was published is
// acknowledged, and only then may Close stop the server below.
func (b *bridge) Run(ctx context.Context) error {
	return b.store.Run(ctx, func(lost <-chan error) error { return b.serve(ctx, lost) })
}

// drainTimeout is how long, beyond the answer timeout, requests may take to end: as long as a request may take to come.
const drainTimeout = 20 * time.Second

func (b *bridge) serve(ctx context.Context, lost <-chan error) (err error) {
	timeout := time.Duration(b.settings.AnswerTimeout)
	front := b.callbacks.answers(b.health.sendOn(b.handler.HTTP()), timeout, b.log)
	back := b.admin.answers(b.commands, timeout, b.log)
	served := make(chan error, 2)
	go func() { served <- front.Serve(b.callbacks) }()
	go func() { served <- back.Serve(b.admin) }()
	keeping, unkeep := context.WithCancel(ctx)
	defer unkeep()
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		if b.keeper != nil {
			b.keeper.Run(keeping)
		}
	}()
	b.health.serving.Store(true)

	ended := 0
	select {
	case err = <-served:
		ended++
	case err = <-lost:
	case <-ctx.Done():
	}
	if err != nil {
		b.log.Error("ending", "reason", err)
	} else {
		b.log.Info("draining", "delay", b.settings.DrainDelay.String())
	}
	b.health.draining.Store(true)
	if err == nil && b.settings.DrainDelay > 0 {
		<-time.After(time.Duration(b.settings.DrainDelay))
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout+timeout)
	defer cancel()
	err = errors.Join(err, front.Shutdown(drain))
	b.handler.Flush()
	unkeep()
	select {
	case <-kept:
	case <-drain.Done():
	}
	err = errors.Join(err, b.store.Drain(drain), back.Shutdown(drain))
	for ; ended < 2; ended++ {
		if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// Close stops what openBridge started, in the order in which one rests on the other.
func (b *bridge) Close() {
	for _, door := range []*door{b.callbacks, b.admin} {
		if door != nil {
			_ = door.Close()
		}
	}
	if b.store != nil {
		b.store.Close()
	}
	_ = b.data.Close()
}
