package bridge

import (
	"context"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/records"
)

// recordPages are the console's pages of records.
func (b *parts) recordPages(kept func() []status.Record) console.RecordPages {
	return console.RecordPages{
		Providers: b.CRMs.Providers(), Kept: kept,
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
func (b *parts) states() (*records.States, error) {
	conn, err := b.Store.Reach()
	return &records.States{Conn: conn, Stream: b.Settings.Stream, Table: b.Settings.RecordsStream(), Prefix: b.Settings.SubjectPrefix}, err
}
