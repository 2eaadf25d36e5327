package ingest

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"
)

// CRM is what a CRM's package provides to the bridge. What the CRM cannot do, or what is not configured, is nil or empty.
//
// Its package has a func Open(Setup) (*CRM, error). With an empty environment Open succeeds and returns what the commands' help
// texts need.
type CRM struct {
	Provider string   // the CRM's name in subjects, events and variables: one token of [a-z0-9]
	Words    Words    // for the texts of commands
	Sources  []Source // of its callbacks; a test callback goes to the first that can be authenticated

	// RepeatsWithin is how long after a callback the CRM may repeat it with the same Mark; zero: at most two minutes.
	RepeatsWithin time.Duration

	Accounts []string // orgs or portals whose records Lister lists
	Targets  []string // portals to which Changes can be limited; empty where they can be limited to something else, such as a module
	Subjects []string // that it subscribes to: <Module>.<operation>
	Watcher  Watcher  // keeps subscriptions alive
	Lister   Lister   // lists what changed, for backfills and repairs
	Drainer  Drainer  // empties a queue that the CRM keeps
	Reader   Reader   // reads records by their ids

	// KeptModules are those whose records are kept as states, if the CRM has a Reader.
	KeptModules []string
	// Whole returns the record that a change of a label holds in its values, if that is all of it and as a Reader would return it; nil:
	// no change holds one.
	Whole func(label, module string, values json.RawMessage) (Record, bool)
	// RecordID returns the id that the record of a change has among those of its module, from its id and its values in the change; nil:
	// they are the same.
	RecordID func(module, id string, values json.RawMessage) string
	// Identity are members of values that RecordID needs; they are never masked.
	Identity []string

	// Erasures are the operations of changes by which the CRM says that a record was deleted for a person's privacy.
	Erasures []string

	// Records says what must stay private of the records that Lister reads. Their label is RecordsLabel.
	Records Secrets
	// Clock returns the CRM's clock, for an account, once the CRM has responded; nil: use ours.
	Clock func(ctx context.Context, account string) (*Clock, error)
	// Reach checks that the CRM's OAuth server is reachable, and changes nothing there; nil: there is none.
	Reach func(context.Context) error
	// Changes are the changes of subscriptions, by the subcommand of channels: enable, renew, disable. Each applies to one Words.Target,
	// or to all if target is empty, and returns all subscriptions, or nil if only the next Watch can report them.
	Changes map[string]func(ctx context.Context, target string) ([]Channel, error)

	// Connect returns what a person does so that the CRM calls the bridge, the steps of each source in their order; nil: nothing is known.
	Connect func(Connecting) ([]Instruction, error)

	// Settle is how long the CRM takes to list a change; zero: ten seconds.
	Settle time.Duration
	// Simulate returns a CRM in memory for the command demo, which is served at a URL, with the lifetime of its subscriptions, if they have
	// one; nil: there is none.
	Simulate func(url string, life time.Duration) *Simulation

	// The bridge sets these, which are about the org that it has opened the CRM for: its package knows of one org alone.
	Org     string                   // a token of [a-z0-9_] that names the org; empty: the first
	Account string                   // the org's name in events; empty: callbacks name their accounts
	Rename  func(text string) string // puts the org's variables in place of the first org's; nil: it is the first
}

// Words are a CRM's names in the texts of commands.
type Words struct {
	Name        string   // as people write it
	Module      string   // an example of a module, as the CRM's API writes it
	Target      string   // what a change of subscriptions can be limited to, such as "module"; empty without subscriptions
	Credentials []string // variables that let the bridge read records from the CRM's API
	Subscriber  []string // variables that let it subscribe, beside Wanted; empty: the Credentials
	Wanted      string   // the variable that says what to subscribe to; empty without subscriptions
}

// Subscribing returns all variables that subscriptions need.
func (w Words) Subscribing() []string {
	if len(w.Subscriber) > 0 {
		return append(slices.Clone(w.Subscriber), w.Wanted)
	}
	return append(slices.Clone(w.Credentials), w.Wanted)
}

// RecordsLabel is the label of changes that are read from the CRM's API.
func (c *CRM) RecordsLabel() string { return c.Provider + "-records" }

// Keeps reports whether the bridge uses the CRM's API by itself.
func (c *CRM) Keeps() bool {
	return c.Watcher != nil || c.Lister != nil || c.Drainer != nil || c.Reader != nil
}

// Secrets returns, by label, what must stay private of the CRM's changes.
func (c *CRM) Secrets() map[string]Secrets {
	all := map[string]Secrets{}
	for _, source := range c.Sources {
		all[source.Label()] = source.Secrets()
	}
	if c.Lister != nil || c.Reader != nil {
		all[c.RecordsLabel()] = c.Records
	}
	return all
}

// Setup is what the bridge provides to a CRM when it is opened.
type Setup struct {
	// Env fills a config struct from the environment: with the variables of one org.
	Env func(into any) error
	// Account is the org's name in events where neither a variable of the CRM nor a callback says one; empty: "default".
	Account string
	// MadeSecret returns a random secret that is made at the first call and kept in the data folder under name, so that a bridge without
	// configuration works and rejects others. It returns "" with a remote NATS, because each replica would make its own.
	MadeSecret func(name string) (string, error)
	// PublicURLs are where the CRM reaches the bridge, without a slash at the end; callbacks may come to each of them, and subscriptions
	// are made for the first. Empty: not configured.
	PublicURLs []string
	// State is shared by the replicas. It is usable once the bridge is open, if it keeps anything of any CRM (CRM.Keeps); else its errors
	// say so. Without it only the Sources are opened, and the configuration of the CRM's API is not checked.
	State State
	// Wake has Watch called soon, by the replica that keeps subscriptions; nil: there is none.
	Wake func()
	Log  *slog.Logger
}

// PublicURL returns the URL that subscriptions are made for; empty: not configured.
func (s Setup) PublicURL() string {
	if len(s.PublicURLs) == 0 {
		return ""
	}
	return s.PublicURLs[0]
}

// SecretsOr returns the configured secrets, else the one that MadeSecret returns for name, if any.
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
