package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

// bridge is everything that serve runs, wired together: ingest → transform → publish.
type bridge struct {
	settings config.Settings
	log      *slog.Logger
	registry *prometheus.Registry

	data       *datadir.Dir       // nil with direct delivery
	server     *publish.Server    // nil with direct delivery
	conn       *publish.Conn      // where events are made safe
	forwarder  *publish.Forwarder // from a journal to a remote NATS; nil without a journal
	refused    *publish.Refused   // what the remote refused; nil without a journal
	upkeep     *publish.Upkeep    // of a remote NATS's streams; nil unless delivery is direct
	publisher  *publish.Publisher
	quarantine *publish.Quarantine
	durability string                 // what a 200 means; with direct delivery promise says it
	promise    atomic.Pointer[string] // with a remote: what its stream was like when it was last seen
	unfit      atomic.Pointer[error]  // with a remote: what has to be fixed in its streams; nil: nothing
	warned     sync.Map               // warnings that were given
	ensured    sync.Map               // names of the streams that were as configured once

	elsewhere     atomic.Pointer[[]string] // with direct delivery: journals of other folders that hold events
	hadQuarantine atomic.Bool              // the remote has had that stream since the start

	committers  []*publish.Committer // of the stream that takes events, and of the one beside it
	groupCommit bool
	published   *publish.Metrics

	crms    opened
	mapping *transform.Mapping
	shared  laterState   // what replicas share; it answers once there is a keeper
	keeper  *keep.Keeper // nil where no CRM's API is configured
	heard   heard
	told    contract // what consumers are told of it

	callbacks, admin net.Listener
	limits           struct{ callbacks, admin *receive.Connections }
	metrics          *receive.Metrics
	adminToken       string     // proves the bridge's own commands
	settling         sync.Mutex // held while a quarantined callback is redriven or dropped
	state            state
}

// openBridge opens all that can fail at the start; Close gives it free again.
func openBridge(ctx context.Context, s config.Settings, crms []opener, log *slog.Logger) (b *bridge, err error) {
	b = &bridge{settings: s, log: log, registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	b.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	if !s.Direct() {
		if b.data, err = datadir.Open(s.DataDir); err != nil {
			return b, err
		}
	}
	if b.adminToken, err = b.madeSecret(datadir.AdminSecret); err != nil {
		return b, err
	}
	setup := ingest.Setup{
		Env: (&config.Environment{}).Load, MadeSecret: b.sourceSecret, PublicURL: s.BaseURL(), State: b.shared.State(), Wake: b.wake, Log: log,
	}
	if b.crms, err = openCRMs(crms, setup); err != nil {
		return b, err
	}
	if err = b.openMapping(); err != nil {
		return b, err
	}
	if err = b.openNATS(ctx); err != nil {
		return b, err
	}
	if err = b.openKeeper(ctx); err != nil {
		return b, err
	}
	if err = b.listen(ctx); err != nil {
		return b, err
	}
	for _, source := range b.crms.sources() {
		label, values := source.Label(), source.Secrets().Values
		if slices.ContainsFunc(values, func(secret string) bool { return len(secret) < shortSecret }) {
			log.Warn("a secret of this source is short: it can be guessed, and cannot be masked inside other text", "source", label, "shorter_than", shortSecret)
		}
		if len(values) == 0 {
			log.Warn("no secret is configured for this source: it answers 401 to everything", "source", label)
		}
	}
	return b, nil
}

// listen opens the listeners, bounded.
func (b *bridge) listen(ctx context.Context) (err error) {
	s, memory := b.settings, config.ProcessMemory()
	most, err := s.Connections(memory, config.OpenFiles())
	if err != nil {
		return err
	}
	b.sayLimits(memory, memory.LimitGo(), most)
	b.metrics = receive.NewMetrics(b.registry)
	b.limits.callbacks = &receive.Connections{Max: most, HeaderBytes: s.InFlightBytes(memory) / 4, Label: "connections", Metrics: b.metrics}
	b.limits.admin = &receive.Connections{Max: config.AdminConnections, HeaderBytes: 1 << 20, Label: "admin_connections", Metrics: b.metrics}
	if b.callbacks, err = listen(ctx, "BRIDGE_LISTEN", s.Listen, s.ListenCert, s.ListenKey, b.limits.callbacks, b.log); err != nil {
		return err
	}
	b.admin, err = listen(ctx, "BRIDGE_ADMIN_LISTEN", s.AdminListen, "", "", b.limits.admin, b.log)
	return err
}

// shortSecret is the length from which a secret can be masked wherever it stands.
const shortSecret = 12

// sourceSecret implements ingest.Setup.MadeSecret. Beside a remote NATS there may be replicas, whose secrets would differ.
func (b *bridge) sourceSecret(name string) (string, error) {
	if !b.settings.Embedded() {
		return "", nil
	}
	return b.madeSecret(name)
}

// madeSecret returns a secret of the data folder; empty without one.
func (b *bridge) madeSecret(name string) (string, error) {
	if b.data == nil {
		return "", nil
	}
	return b.data.Secret(name)
}

// accept makes changes safe.
func (b *bridge) accept(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
	if reason := b.state.broken.Load(); reason != nil { // the server would not even answer
		return nil, fmt.Errorf("%w: %s", ingest.ErrRetry, *reason)
	}
	acks, err := accepting{b.mapping, b.publisher}.accept(ctx, changes)
	if err == nil {
		b.heard.note(changes)
		b.told.note(acks)
	}
	return acks, err
}

// keep puts a callback that was proven but not understood into quarantine.
func (b *bridge) keep(ctx context.Context, cb ingest.Callback, reason error) (string, error) {
	if broken := b.state.broken.Load(); broken != nil {
		return "", errors.New(*broken)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	body, err := b.mapping.Redact.Quarantine(id.String(), cb, reason)
	if err != nil {
		return "", err
	}
	return id.String(), b.quarantine.Keep(ctx, cb.Source, id.String(), body)
}

// Run answers callbacks until ctx ends, then drains: accepted requests are answered, what was published is
// acknowledged, and only then may Close stop the server below.
func (b *bridge) Run(ctx context.Context) error {
	timeout := time.Duration(b.settings.AnswerTimeout)
	handler := &receive.Handler{
		Sources: b.crms.sources(), Accept: b.accept, Quarantine: b.keep, Log: b.log, Metrics: b.metrics,
		MaxBody: int64(b.settings.MaxBody), MaxInFlight: b.settings.RequestsAtOnce(b.limits.callbacks.Max), AnswerTimeout: timeout,
		MaxInFlightBytes: b.settings.InFlightBytes(config.ProcessMemory()), PerRecord: b.settings.EventPer == "record",
		Rate: float64(b.settings.Rate), Allow: b.settings.Allow, TrustedProxies: b.settings.TrustedProxies,
		Public: map[string]receive.Document{"/schemas/v1/{family}": b.schema, "/asyncapi.yaml": b.asyncAPI, "/asyncapi.html": b.asyncAPIPage},
	}
	if b.keeper != nil {
		handler.Missed = b.keeper.Missed
	}
	front := receive.NewServer(b.sendOn(handler.HTTP()), timeout, b.log)
	back := receive.NewServer(atMost(adminAtOnce, b.adminHandler()), timeout, b.log)
	front.ConnState, back.ConnState = b.limits.callbacks.Track, b.limits.admin.Track

	failed := make(chan error, 3)
	go func() { failed <- front.Serve(b.callbacks) }()
	go func() { failed <- back.Serve(b.admin) }()
	watch, unwatch := context.WithCancel(context.WithoutCancel(ctx)) // the end of ctx is no failure of the store
	defer unwatch()
	go func() { failed <- b.watchStore(watch) }()
	keeping, unkeep := context.WithCancel(ctx)
	defer unkeep()
	upkept, noted := b.startUpkeep(watch), b.startNotes(keeping)
	forward := b.startForwarder(ctx)
	kept := b.startKeeper(keeping)
	b.state.serving.Store(true)

	var err error
	ended := 0
	select {
	case err = <-failed:
		ended++
		b.log.Error("ending", "reason", err)
	case <-ctx.Done():
		b.log.Info("draining", "delay", b.settings.DrainDelay.String())
	}
	b.state.draining.Store(true)
	if err == nil && b.settings.DrainDelay > 0 {
		<-time.After(time.Duration(b.settings.DrainDelay))
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout+timeout)
	defer cancel()
	err = errors.Join(err, front.Shutdown(drain))
	handler.Flush()
	unkeep()
	select {
	case <-kept:
	case <-drain.Done():
	}
	err = errors.Join(err, b.publisher.Drain(drain))
	<-noted
	forward.stop(drain)
	err = errors.Join(err, back.Shutdown(drain))
	unwatch()
	<-upkept
	for ; ended < 3; ended++ {
		if served := <-failed; !errors.Is(served, http.ErrServerClosed) && !errors.Is(served, context.Canceled) {
			err = errors.Join(err, served)
		}
	}
	return err
}

// drainTimeout is how long, beyond the answer timeout, requests may take to end: as long as a request may take to come.
const drainTimeout = 20 * time.Second

// Close stops what openBridge started, in the order in which one rests on the other.
func (b *bridge) Close() {
	for _, listener := range []net.Listener{b.callbacks, b.admin} {
		if listener != nil {
			_ = listener.Close()
		}
	}
	if b.conn != nil {
		b.conn.Close()
	}
	for _, committer := range b.committers {
		_ = committer.Close()
	}
	b.committers = nil
	if b.server != nil {
		b.server.Close()
	}
	if b.data != nil {
		_ = b.data.Close()
	}
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
