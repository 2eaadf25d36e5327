package bridge

import (
	"context"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/records"
)

// recordPages are the console's pages of records.
func (b *Bridge) recordPages() console.RecordPages {
	return console.RecordPages{
		Providers: b.CRMs.Providers(), Kept: b.keptRecords,
		Accounts: func(ctx context.Context, k records.Key) ([]string, error) {
			states, err := b.states()
			if err != nil {
				return nil, err
			}
			return states.Accounts(ctx, k)
		},
		History: func(ctx context.Context, k records.Key) ([]publish.Stored, error) {
			states, err := b.states()
			if err != nil {
				return nil, err
			}
			return states.History(ctx, k)
		},
		Missing: func(ctx context.Context, k records.Key) error {
			states, err := b.states()
			if err != nil {
				return err
			}
			return NoRecord(ctx, states, k)
		},
	}
}

// states are the states of records, on the server that has the stream.
func (b *Bridge) states() (*records.States, error) {
	conn, err := b.Store.Reach()
	return &records.States{Conn: conn, Stream: b.Settings.Stream, Table: b.Settings.RecordsStream(), Prefix: b.Settings.SubjectPrefix}, err
}

// keptRecords returns what becomes of the modules whose records are kept.
func (b *Bridge) keptRecords() (all []status.Record) {
	for _, keeper := range b.records {
		for _, kept := range keeper.Kept() {
			one := status.Record{Provider: keeper.Provider, Account: kept.Account, Module: kept.Module, Kept: kept.Stored, Lag: kept.Lag.Seconds(), Problem: kept.Problem}
			if until := kept.Until; !until.IsZero() {
				one.Paused = &until
			}
			all = append(all, one)
		}
	}
	return all
}
