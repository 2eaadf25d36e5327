package bridge

import (
	"context"

	"github.com/crm-bridge/crm-bridge/publish/erase"
	"github.com/crm-bridge/crm-bridge/publish/records"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

func everywhere(store.Holding) bool { return true }

func here(one store.Holding) bool { return one.Here }

// eraseIn erases a record in some of the streams that this replica reaches, and returns what was found, and the record with its account.
func (e *eraser) eraseIn(ctx context.Context, one order, in func(store.Holding) bool, progress eraseProgress) ([]erase.Found, erase.Record, error) {
	holdings, err := e.store.Holdings(ctx)
	if err != nil {
		return nil, one.Record, err
	}
	of := &erase.Eraser{
		Record: one.Record, Foreign: one.Foreign, Progress: progress,
		Names: erase.Names{Callback: e.callback, RecordID: e.crms.CRM(one.Record.Provider).RecordID, Keep: one.Keep},
	}
	replays := false
	for _, one := range holdings {
		if in(one) {
			of.Parts = append(of.Parts, &erase.Part{Stream: one.Stream, Reach: one.Reach, Subjects: subjectsOf[one.Kind], Erased: one.Erased, Scrub: one.Scrub, Settled: one.Settled, Rare: one.Kind == store.DeadLetters})
			replays = replays || one.Kind == store.Replays
		}
	}
	if !one.DryRun {
		searched := false
		of.Before = func(ctx context.Context) error {
			err := e.forget(ctx, one.Record)
			if err == nil && replays && searched { // before the first search nothing is erased yet
				err = e.replays.Reread(ctx)
			}
			searched = true
			return err
		}
	}
	found, err := of.Run(ctx, one.DryRun)
	if err == nil && replays {
		var jobs int
		if jobs, err = e.replays.Forget(ctx, of.Record.ID, of.Record.Account, eventsOf(of.Record), one.DryRun); jobs > 0 {
			found = append(found, erase.Found{Stream: e.state, Deleted: jobs})
		}
	}
	return found, of.Record, err
}

// forget has no state of a record written any more from events that are stored now.
func (e *eraser) forget(ctx context.Context, record erase.Record) error {
	for _, keeper := range e.records {
		if keeper.Provider != record.Provider {
			continue
		}
		conn, err := e.store.Reach()
		if err != nil {
			return err
		}
		last, err := conn.LastSequence(ctx, e.stream)
		if err != nil {
			return err
		}
		keeper.Forget(records.Key(record), last)
	}
	return nil
}

// subjectsOf are the subjects of messages that may name a record. Streams may hold some of an earlier BRIDGE_SUBJECT_PREFIX.
var subjectsOf = map[store.Kind]func(erase.Record) []string{
	store.Events:  func(r erase.Record) []string { return []string{eventsOf(r)} },
	store.Replays: func(r erase.Record) []string { return []string{"*.*." + r.Provider + "." + r.Module + ".*"} },
	store.States:  func(r erase.Record) []string { return []string{records.Filter(records.Key(r))} },
}

// eventsOf are the subjects of events that may name a record.
func eventsOf(r erase.Record) string { return "*." + r.Provider + "." + r.Module + ".*" }
