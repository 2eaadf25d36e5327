package erase

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// unfinished reports whether a search has stopped because it had found too much.
func (e *Eraser) unfinished() bool {
	return slices.ContainsFunc(e.Parts, func(p *Part) bool { return len(p.hits) == most })
}

// search searches the streams from where the last search ended, and returns how many messages it has found.
func (e *Eraser) search(ctx context.Context) (n int, err error) {
	if e.Before != nil {
		if err := e.Before(ctx); err != nil {
			return 0, err
		}
	}
	accounts := map[string]bool{}
	for _, p := range e.Parts {
		if err := e.searchPart(ctx, p, accounts); err != nil {
			return 0, fmt.Errorf("search stream %s: %w", p.Stream, err)
		}
		n += len(p.hits)
	}
	if e.Record.Account == "" && len(accounts) > 0 {
		names := slices.Sorted(maps.Keys(accounts))
		if len(names) > 1 {
			return 0, &AccountsError{e.Record, names}
		}
		e.Record.Account = names[0]
	}
	return n, nil
}

// errEnough ends the search of a stream in which too much was found.
var errEnough = errors.New("enough was found")

// patience is how long reading a stream may fail.
const patience = 10 * time.Second

func (e *Eraser) searchPart(ctx context.Context, p *Part, accounts map[string]bool) error {
	p.hits = p.hits[:0]
	conn, err := p.Reach()
	if err != nil {
		return err
	}
	standing, err := conn.Standing(ctx, p.Stream)
	if err != nil || standing == nil {
		return err
	}
	p.exists, p.own = true, standing.Own
	p.found.Stream, p.found.Foreign = p.Stream, !standing.Own
	begin, read := max(p.next, 1), 0
	if standing.Last < begin {
		return nil
	}
	each := func(m publish.Stored) error {
		if read++; e.Progress != nil && read%256 == 0 {
			e.Progress(p.Stream, read, float64(m.Sequence-begin+1)/float64(standing.Last-begin+1))
		}
		p.next = m.Sequence + 1
		match, account := e.Names.match(e.Record, m)
		if match == no {
			return nil
		}
		if account != "" {
			accounts[account] = true
		}
		p.hits = append(p.hits, hit{m.Sequence, match})
		if len(p.hits) == most {
			return errEnough
		}
		return nil
	}
	if p.Subjects == nil {
		err = conn.ReadPages(ctx, p.Stream, begin, each)
	} else {
		var span *publish.Span
		if span, err = conn.OpenSpan(ctx, p.Stream, p.Subjects(e.Record), publish.Bounds{From: begin}); err == nil {
			span.Patience = patience
			err = span.Each(ctx, each)
		}
	}
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err == nil:
		p.next = max(p.next, standing.Last+1)
	}
	return err
}

// count counts what a search has found.
func (e *Eraser) count() {
	for _, p := range e.Parts {
		for _, one := range p.hits {
			p.found.add(one.match)
		}
	}
}

func (f *Found) add(match match) {
	f.Deleted++
	switch match {
	case withOthers:
		f.WithOthers++
	case inText:
		f.InText++
	}
}
