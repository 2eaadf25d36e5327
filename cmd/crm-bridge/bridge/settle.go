package bridge

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// Listed is a quarantined callback in a list: all but its body.
type Listed struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`            // "refused" where the remote NATS refused it
	Subject    string    `json:"subject,omitempty"` // of what was refused
	Reason     string    `json:"reason"`
	ReceivedAt time.Time `json:"receivedAt,omitzero"`
	Bytes      int       `json:"bytes"`
	Account    string    `json:"account,omitempty"` // whose data it is, where that is known
}

// Redriven is what became of a quarantined callback that was decoded again.
type Redriven struct {
	ID     string       `json:"id"`
	Events []ingest.Ack `json:"events,omitempty"` // with a dry run only their subjects
	DryRun bool         `json:"dryRun,omitempty"`
	Error  string       `json:"error,omitempty"` // it is still in quarantine
}

// Dropped is a quarantined callback that is gone.
type Dropped struct {
	ID    string `json:"id"`
	Error string `json:"error,omitempty"`
}

// settle does something about one quarantined callback or refused event, and returns the line to answer with.
type settle func(ctx context.Context, r *http.Request, kept publish.Kept) any

// settler settles one quarantined callback or refused event at a time.
type settler struct {
	settling *sync.Mutex // held while one is redriven or dropped
	log      *slog.Logger
}

func (s settler) drop(drop func(context.Context, publish.Kept) error) settle {
	return func(ctx context.Context, _ *http.Request, kept publish.Kept) any {
		s.settling.Lock()
		defer s.settling.Unlock()
		if err := drop(ctx, kept); err != nil {
			return Dropped{ID: kept.ID, Error: terminal.Plainly(err)}
		}
		s.log.Info("dropped from quarantine", "quarantine", kept.ID)
		return Dropped{ID: kept.ID}
	}
}

func settledMeanwhile(err error) string {
	if err != nil {
		return terminal.Plainly(err)
	}
	return "another request has settled it in the meantime"
}

func isDryRun(r *http.Request) bool { return r.URL.Query().Get("dry-run") == "true" }

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
