package ingest

import (
	"context"
	"log/slog"
	"time"
)

// CRM is all that a CRM's package gives to the bridge. What the CRM cannot do, or what is not configured, is nil or empty.
//
// Its package has a func Open(Setup) (*CRM, error). With an empty environment Open succeeds and returns what the commands' help
// texts need.
type CRM struct {
	Provider string   // the CRM's name in subjects, events and variables: one token of [a-z0-9]
	Words    Words    // what the commands say of it
	Sources  []Source // callbacks that it understands; a test callback goes to the first whose proof is known

	// RepeatsWithin is how long after a callback the CRM may send it again under the same Mark; at most two minutes: zero.
	RepeatsWithin time.Duration

	Accounts []string // orgs or portals whose API the bridge calls
	Subjects []string // of what it subscribes to: <Module>.<operation>
	Watcher  Watcher  // keeps subscriptions alive
	Lister   Lister   // lists what changed, for backfills and repairs
	Drainer  Drainer  // empties a queue that the CRM keeps

	// Records says what must not leave of the records that Lister reads. Their label is RecordsLabel.
	Records Secrets
	// Clock returns the CRM's clock, for an account, once the CRM has answered; nil: ours serves.
	Clock func(ctx context.Context, account string) (*Clock, error)
	// Reach asks the CRM's OAuth server, and changes nothing there; nil: there is none.
	Reach func(context.Context) error
	// Changes are what can be done to subscriptions, by the word of the command channels: enable, renew, disable. Each is for
	// one Words.Target, or for all where the target is empty, and returns how all subscriptions are then, or nil where only the
	// next Watch can tell.
	Changes map[string]func(ctx context.Context, target string) ([]Channel, error)

	// Settle is how long the CRM takes to list a change; zero: ten seconds.
	Settle time.Duration
	// Simulate returns a CRM in memory, for the command demo, whose subscriptions live for so long; nil: there is none.
	Simulate func(life time.Duration) *Simulation
}

// Words are what the commands say of a CRM.
type Words struct {
	Name        string   // as people write it
	Module      string   // an example of a module, as the CRM's API writes it
	Target      string   // what a change of subscriptions may be limited to, such as "module"
	Credentials []string // variables that let the bridge call the CRM's API
	Wanted      string   // the variable that says what to subscribe to
}

// RecordsLabel is the label of changes that are read from the CRM's API.
func (c *CRM) RecordsLabel() string { return c.Provider + "-records" }

// Keeps reports whether the bridge does anything by itself with the CRM's API.
func (c *CRM) Keeps() bool { return c.Watcher != nil || c.Lister != nil || c.Drainer != nil }

// Secrets returns, by label, what must not leave of the CRM's changes.
func (c *CRM) Secrets() map[string]Secrets {
	all := map[string]Secrets{}
	for _, source := range c.Sources {
		all[source.Label()] = source.Secrets()
	}
	if c.Lister != nil {
		all[c.RecordsLabel()] = c.Records
	}
	return all
}

// Setup is what a CRM may ask for when it is opened.
type Setup struct {
	// Env fills a config struct from the environment.
	Env func(into any) error
	// MadeSecret returns a random secret that is kept in the data folder under name and made at the first call, so
	// that a bridge with nothing configured works and is closed to others. It returns "" where the bridge may not
	// make one: beside a remote NATS, where several replicas would each make their own.
	MadeSecret func(name string) (string, error)
	// PublicURL is where the CRM reaches the bridge; empty: not configured.
	PublicURL string
	// State is what replicas share. It answers once the bridge is open. Without it only the Sources are opened, and nothing is
	// checked of what the CRM's API needs.
	State State
	// Wake has Watch called soon, by whichever replica keeps; nil: nobody does.
	Wake func()
	Log  *slog.Logger
}

// SecretsOr returns the configured secrets, or else the one that the bridge has made under name; none where it may not.
func (s Setup) SecretsOr(configured SecretList, name string) (SecretList, error) {
	if len(configured) > 0 {
		return configured, nil
	}
	made, err := s.MadeSecret(name)
	if err != nil || made == "" {
		return nil, err
	}
	return SecretList{made}, nil
}
