package bridge

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/quarantine"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
)

// waiting are the callbacks in quarantine, or the events that the remote NATS rejected, which wait for a person.
type waiting interface {
	// After calls f for every one behind a sequence, oldest first. It returns the first error of f.
	After(ctx context.Context, sequence uint64, f func(publish.Kept) error) error
	Find(ctx context.Context, id string) (kept publish.Kept, found bool, err error)

	list(kept publish.Kept) quarantine.Listed
	show(kept publish.Kept) any
	redrive(ctx context.Context, kept publish.Kept, dryRun bool) quarantine.Redriven
	drop(ctx context.Context, kept publish.Kept) quarantine.Dropped
}

// settler settles one quarantined callback or rejected event at a time.
type settler struct {
	settling *sync.Mutex // held while one is redriven or dropped
	log      *slog.Logger
}

func (s settler) remove(ctx context.Context, kept publish.Kept, drop func(context.Context, publish.Kept) error) quarantine.Dropped {
	s.settling.Lock()
	defer s.settling.Unlock()
	if err := drop(ctx, kept); err != nil {
		return quarantine.Dropped{ID: kept.ID, Error: terminal.Plainly(err)}
	}
	s.log.Info("dropped from quarantine", "quarantine", kept.ID)
	return quarantine.Dropped{ID: kept.ID}
}

func settledMeanwhile(err error) string {
	if err != nil {
		return terminal.Plainly(err)
	}
	return "another request has settled it in the meantime"
}

// accountIn returns the account of a quarantined callback, or of an event that the remote NATS rejected; empty: unknown.
func accountIn(kept publish.Kept) string {
	var was struct{ Account string }
	if json.Unmarshal(kept.Body, &was) == nil && was.Account != "" {
		return was.Account
	}
	event, err := kept.Event()
	if err != nil {
		return ""
	}
	account, _ := event.Extensions()["crmaccount"].(string)
	return account
}
