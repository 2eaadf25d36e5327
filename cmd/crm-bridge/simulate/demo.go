package simulate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// Demo runs a bridge of its own, whatever the environment says of another.
func Demo(ctx context.Context, out io.Writer) error {
	return withFolder(ctx, func(ctx context.Context, folder string) error {
		env := ownPorts(folder, "127.0.0.1:0")
		return withBridge(ctx, env, bridge.Openers, slog.New(slog.DiscardHandler), func(ctx context.Context, b *bridge.Bridge) error {
			return (&demo{bridge: b, out: out, url: "http://" + bridge.Reachable(b.Callbacks)}).run(ctx)
		})
	})
}

// demo is what the demo prints, step by step.
type demo struct {
	bridge *bridge.Bridge
	out    io.Writer
	url    string
	step   int
}

func (s *demo) explain(format string, args ...any) {
	s.step++
	terminal.Say(s.out, "\n%d. "+format+"\n", append([]any{s.step}, args...)...)
}

func (s *demo) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s.explain("A bridge runs in a temporary folder. Callbacks go to %s, events to %s.", s.url, s.bridge.Store.URL)
	terminal.Say(s.out, "   %s.\n", s.bridge.Store.Durability())

	samples, err := s.samples()
	if err != nil {
		return err
	}
	s.explain("A CRM sends callbacks. Each 200 says where the event is stored.")
	for _, sample := range samples {
		if err := s.post(ctx, sample); err != nil {
			return err
		}
	}
	source := s.bridge.CRMs[0].Sources[0]
	first := source.(ingest.Sampler)
	change := sampleChange(Spec{Operation: "edit"}, time.Now().UTC())
	again, err := first.Sample(change, "")
	if err != nil {
		return err
	}
	s.explain("The CRM sends one callback twice, with the same mark: both get the same id, and the stream keeps one event.")
	for _, name := range []string{"once", "the same again"} {
		if err := s.post(ctx, sample{name: name, source: source, cb: again}); err != nil {
			return err
		}
	}
	s.explain("A forged callback has a wrong token: 401, and nothing is kept.")
	const guessed = "guessed"
	forged, err := first.Sample(change, guessed)
	if err != nil {
		return err
	}
	if err := s.post(ctx, sample{name: "a forgery", source: source, token: guessed, cb: forged}); err != nil {
		return err
	}
	s.explain("The CRM sends a callback that cannot be parsed: 400, and a copy without its secrets is quarantined.")
	odd, err := first.Sample(ingest.Change{Operation: "create", OccurredAt: time.Now()}, "")
	if err != nil {
		return err
	}
	if err := s.post(ctx, sample{name: "a callback that names no record", source: source, cb: odd}); err != nil {
		return err
	}
	if err := s.consume(ctx, samples); err != nil {
		return err
	}
	s.explain("The bridge drains and stops, and the folder is removed. Now run your own: %s", client.OwnCommand())
	return nil
}

// sample is a callback that the demo sends.
type sample struct {
	name    string
	source  ingest.Source
	token   string // authenticates it; empty: what is configured
	cb      ingest.Callback
	subject string // <provider>.<module>; empty: of the CRM's own choice
}

// samples are callbacks of every kind that the bridge understands, and one of two records.
func (s *demo) samples() ([]sample, error) {
	var all []sample
	for i, crm := range s.bridge.CRMs {
		for j, source := range crm.Sources {
			specs := []Spec{{Operation: "edit"}, {Module: crm.Words.Module, Operation: "create"}, {Operation: "delete"}}
			if i+j == 0 {
				specs = append(specs, Spec{Module: crm.Words.Module, Operation: "edit", IDs: []string{"5725767000003000010", "5725767000003000011"}})
			}
			maker, ok := source.(ingest.Sampler)
			for _, o := range specs {
				if !ok {
					break
				}
				cb, err := maker.Sample(sampleChange(o, time.Now().UTC()), "")
				if err != nil {
					return nil, err
				}
				all = append(all, sample{name: source.Label() + ": " + o.Operation, source: source, cb: cb, subject: crm.Provider + "." + o.Module})
			}
		}
	}
	return all, nil
}

func (s *demo) post(ctx context.Context, one sample) error {
	terminal.Say(s.out, "   %-38s → ", one.name)
	return (&Poster{Client: client.HTTP(nil), URL: s.url, Source: one.source, Token: one.token, Out: s.out}).Post(ctx, one.cb)
}

// consume lets two consumers read the stream, each on its own.
func (s *demo) consume(ctx context.Context, samples []sample) error {
	deals := s.bridge.CRMs[0].Provider + "." + s.bridge.CRMs[0].Words.Module
	s.explain("Two services consume the stream independently, from the first event; more can join at any time, in any language.")
	consumers := []struct {
		name, subject string
		count         int
		out           bytes.Buffer
		err           error
	}{
		{name: "billing", subject: "crm." + deals + ".>"},
		{name: "audit", subject: "crm.>", count: len(samples) + 1},
	}
	for _, sample := range samples {
		if sample.subject == deals {
			consumers[0].count++
		}
	}
	var wait sync.WaitGroup
	for i := range consumers {
		consumer := &consumers[i]
		wait.Go(func() {
			conn, err := publish.Address{URL: s.bridge.Store.URL}.Dial(slog.New(slog.DiscardHandler))
			if err != nil {
				consumer.err = err
				return
			}
			defer conn.Close()
			span, err := conn.OpenSpan(ctx, "CRM", []string{consumer.subject}, publish.Bounds{})
			if err != nil {
				consumer.err = err
				return
			}
			consumer.err = span.Each(ctx, func(e publish.Stored) error {
				consumer.count--
				consumer.out.WriteString("     ")
				return (&terminal.View{Out: &consumer.out}).Line(e)
			})
		})
	}
	wait.Wait()
	for i := range consumers {
		consumer := &consumers[i]
		terminal.Say(s.out, "   %s reads %s\n%s", consumer.name, consumer.subject, consumer.out.String())
		if consumer.err != nil || consumer.count != 0 {
			return fmt.Errorf("consumer %s: %d events are missing: %w", consumer.name, consumer.count, cmp.Or(consumer.err, errNotThere))
		}
	}
	return s.showEvent(ctx)
}

// showEvent prints one event verbatim.
func (s *demo) showEvent(ctx context.Context) error {
	s.explain("One event as any consumer sees it (CloudEvents 1.0, JSON):")
	conn, err := s.bridge.Store.Reach()
	if err != nil {
		return err
	}
	span, err := conn.OpenSpan(ctx, "CRM", nil, publish.Bounds{To: 1})
	if err != nil {
		return err
	}
	return span.Each(ctx, func(e publish.Stored) error {
		line, err := e.JSON()
		var text bytes.Buffer
		if err == nil {
			err = json.Indent(&text, line, "     ", "  ")
		}
		if err != nil {
			return err
		}
		terminal.Say(s.out, "     %s\n", text.String())
		return nil
	})
}
