package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// play runs the bridge in one way, plays the faults under load, and compares the answers with the stream.
func (s settings) play(ctx context.Context, w way) (rows []row, err error) {
	at, err := openSite(ctx, s, w)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil || slices.ContainsFunc(rows, func(r row) bool { return r.err != nil }) {
			at.describe(context.WithoutCancel(ctx))
		}
		err = errors.Join(err, at.close(context.WithoutCancel(ctx)))
	}()
	on, err := at.open(ctx, w)
	if err != nil {
		return nil, err
	}
	answers := &ledger{}
	if on.load, err = send(ctx, at, answers, on.secret); err != nil {
		return nil, err
	}
	rows = on.playFaults(ctx, w)
	on.load.stop()
	answers.finish()
	switch {
	case ctx.Err() != nil:
		return nil, errors.New("interrupted")
	case len(rows) == 0:
		return nil, fmt.Errorf("-only: no fault of this way has %q in its name", s.only)
	}
	s.say("%s: read the stream", w)
	if err := on.reconcile(ctx, answers); err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	for i := range rows {
		rows[i].counts = answers.count(i)
	}
	if answers.strange > 0 {
		err = fmt.Errorf("%d events of the stream were never sent, or have another id than their answer said", answers.strange)
	}
	if answers.sample != "" {
		err = errors.Join(err, fmt.Errorf("an answer was neither 200 nor 503: %s", answers.sample))
	}
	return rows, err
}

// open starts NATS where the way needs it, installs the bridge, and tests it as helm test does.
func (s *site) open(ctx context.Context, w way) (*stage, error) {
	on := &stage{}
	password := rand.Text()
	if w.remote() {
		var err error
		if on.broker, err = s.addBroker(ctx, password); err != nil {
			return nil, err
		}
	}
	on.release = newRelease(s, w, on.broker, password, rand.Text())
	if err := on.install(ctx); err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	s.say("%s: installed", w)
	if err := on.test(ctx); err != nil {
		return nil, fmt.Errorf("helm test: %w", err)
	}
	return on, nil
}

// playFaults plays the faults of a way. It ends early if callbacks are not answered any more.
func (s *stage) playFaults(ctx context.Context, w way) (rows []row) {
	for _, one := range faults {
		asked := one.when == nil || one.when(s.site.settings)
		if !asked || !slices.Contains(one.ways, w) || !strings.Contains(one.name, s.site.only) || ctx.Err() != nil {
			continue
		}
		s.notes = nil
		s.load.ledger.next()
		s.site.say("%s: %s", w, one.name)
		err := one.play(ctx, s)
		flows := s.load.flows(ctx, s.site.within, 20)
		if flows == nil {
			flows = pause(ctx, s.site.load)
		}
		rows = append(rows, row{way: w, fault: one.name, notes: s.notes, err: errors.Join(err, flows)})
		if err != nil {
			s.site.say("%s, %s: %v", w, one.name, err)
		}
		if flows != nil {
			break
		}
	}
	return rows
}

// describe prints what there is in the namespace, for an error.
func (s *site) describe(ctx context.Context) {
	for _, what := range [][]string{{"get", "pods,persistentvolumeclaims", "--output", "wide"}, {"get", "events", "--sort-by", ".lastTimestamp"}} {
		text, err := s.kubectl(ctx, "", what...)
		if err != nil {
			text = err.Error()
		}
		s.say("%s:\n%s", strings.Join(what, " "), tail(text, 6000))
	}
}
