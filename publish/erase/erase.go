// Package erase removes a record of a CRM from streams: its events, its states and its quarantined callbacks.
// It knows how these name a record, but no CRM, and not how streams are kept.
package erase

import (
	"context"
	"errors"
	"fmt"

	"github.com/crm-bridge/crm-bridge/publish"
)

// rounds bounds how often streams are searched for what came while they were erased.
const rounds = 100

// Run erases the record, or with a dry run finds it, and returns what each stream has of it. An error may come with a part of that; the
// same call then finishes the rest.
func (e *Eraser) Run(ctx context.Context, dryRun bool) (all []Found, err error) {
	for round := range rounds {
		n, err := e.search(ctx)
		if err != nil {
			return e.all(), err
		}
		switch {
		case dryRun:
			e.count()
			if !e.unfinished() {
				return e.all(), nil
			}
			continue
		case n == 0 && round > 0:
			return e.all(), e.finish(ctx)
		}
		if err := e.checkForeign(); err != nil {
			return e.all(), err
		}
		if err := e.erase(ctx, round == 0); err != nil {
			return e.all(), err
		}
	}
	return e.all(), errors.New("events of the record keep coming: remove it from the CRM first, and run the command again")
}

// all returns what each stream had, without those that do not exist, and rare ones that had nothing.
func (e *Eraser) all() (all []Found) {
	for _, p := range e.Parts {
		if p.exists && (!p.Rare || p.found.Deleted > 0) {
			all = append(all, p.found)
		}
	}
	return all
}

// checkForeign returns an error if the record is in a stream that the bridge did not make and may not change.
func (e *Eraser) checkForeign() error {
	for _, p := range e.Parts {
		if !e.Foreign && !p.own && len(p.hits) > 0 {
			return fmt.Errorf("stream %s was not made by crm-bridge and holds %d messages of the record: add --foreign to erase them there too", p.Stream, len(p.hits))
		}
	}
	return nil
}

// erase erases what was found. first: it is the first time.
func (e *Eraser) erase(ctx context.Context, first bool) error {
	for _, p := range e.Parts {
		if err := e.erasePart(ctx, p); err != nil {
			return err
		}
		if p.Settled != nil && p.exists && (first || len(p.hits) > 0) {
			if err := p.Settled(ctx); err != nil {
				return fmt.Errorf("settle stream %s: %w", p.Stream, err)
			}
		}
	}
	return nil
}

// erasePart erases what was found in a stream. Each message is synced before the next one is erased, because the server may rewrite a
// file of the stream without a sync once much of it is deleted.
func (e *Eraser) erasePart(ctx context.Context, p *Part) error {
	for i, one := range p.hits {
		conn, err := p.Reach()
		if err != nil {
			return fmt.Errorf("erase in stream %s: %w", p.Stream, err)
		}
		if err := conn.Erase(ctx, p.Stream, one.sequence); err != nil {
			return err
		}
		if err := p.commit(ctx); err != nil {
			return err
		}
		p.found.add(one.match)
		if e.Progress != nil {
			e.Progress(p.Stream, i+1, float64(i+1)/float64(len(p.hits)))
		}
	}
	return nil
}

// finish syncs all streams, because an earlier call may have been interrupted between an erasure and its sync, and overwrites what they
// had deleted before.
func (e *Eraser) finish(ctx context.Context) error {
	for _, p := range e.Parts {
		if !p.exists {
			continue
		}
		if err := p.commit(ctx); err != nil {
			return err
		}
		if p.Scrub == nil {
			continue
		}
		if err := p.Scrub(ctx, e.isNamed); err != nil {
			return err
		}
	}
	return nil
}

// isNamed reports whether a message names the record.
func (e *Eraser) isNamed(m publish.Stored) bool {
	match, _ := e.Names.match(e.Record, m)
	return match != no
}

func (p *Part) commit(ctx context.Context) error {
	if p.Erased == nil {
		return nil
	}
	if err := p.Erased(ctx); err != nil {
		return fmt.Errorf("sync stream %s: %w", p.Stream, err)
	}
	return nil
}
