// Package erase removes a record of a CRM from streams: its events, its states and its quarantined callbacks.
// It knows how these name a record, but no CRM, and not how streams are kept.
package erase

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Eraser erases one record. Set the exported fields once.
type Eraser struct {
	Record Record
	// Parts are searched and erased in this order: what feeds other streams comes first, events come before the states that they cause.
	Parts   []*Part
	Names   Names
	Foreign bool // erase in streams that the bridge did not make, too
	// Before is called before the streams are searched, each time: from then on no state may be written from an event that they hold; nil:
	// nothing writes states.
	Before func(ctx context.Context) error
	// Progress is called while a stream is read, with the messages read, and the part of the stream from 0 to 1; nil: it is not.
	Progress func(stream string, read int, part float64)
}

// Part is a stream in which the record may be.
type Part struct {
	Stream string
	// Reach returns the connection to the server that has the stream, or why there is none now.
	Reach func() (*publish.Conn, error)
	// Subjects are those of messages that may name the record; nil: all messages are read, in pages and without a consumer.
	Subjects func(Record) []string
	// Erased returns when what was erased of the stream does not come back after a power cut; nil: the server says so by its answer.
	Erased publish.Commit
	// Scrub overwrites the bytes of messages that names reports and that the stream has deleted before; nil: they are out of reach.
	Scrub func(ctx context.Context, names func(publish.Stored) bool) error
	// Rare: the record is hardly ever in it, so the stream is reported only if it is.
	Rare bool
	// Settled returns when nothing of what was erased is on its way to another stream; nil: nothing can be.
	Settled func(ctx context.Context) error

	next   uint64 // the sequence with which the next search begins
	own    bool   // the bridge made it
	exists bool
	hits   []hit // that the last search has found
	found  Found // by a dry run, else what is erased
}

// hit is a message that names the record.
type hit struct {
	sequence uint64
	match    match
}

// Found is what was found, and unless it was a dry run erased, in a stream.
type Found struct {
	Stream     string `json:"stream"`
	Deleted    int    `json:"deleted"`
	WithOthers int    `json:"withOthers"`       // of these, those that name other records too
	InText     int    `json:"inText,omitempty"` // of these, callbacks that cannot be decoded and have the id in their text
	Foreign    bool   `json:"foreign,omitempty"`
	Where      string `json:"where,omitempty"` // the journal of another replica, for a person
}

// most bounds the messages that one search of a stream remembers; what is behind them is found by the next.
const most = 1 << 18

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

// AccountsError says that several accounts have a record of that id.
type AccountsError struct {
	Record   Record
	Accounts []string
}

// Error names the accounts.
func (e *AccountsError) Error() string {
	return fmt.Sprintf("%s %s %s is a record of several accounts (%s): name one with --account", e.Record.Provider, e.Record.Module, e.Record.ID, strings.Join(e.Accounts, ", "))
}
