// Package config reads and checks the program's environment variables, and derives limits and addresses from them.
package config

import (
	"errors"
	"log/slog"
	"net"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

// Settings are the variables of the bridge itself; each source brings its own.
type Settings struct {
	Listen      string   `split_words:"true" default:":8080" desc:"where callbacks are received"`
	ListenCert  string   `split_words:"true" desc:"certificate file (PEM): callbacks over TLS; reloaded when it changes"`
	ListenKey   string   `split_words:"true" desc:"key file (PEM) of BRIDGE_LISTEN_CERT"`
	AdminListen string   `split_words:"true" default:"127.0.0.1:9090" desc:"where the console, /healthz, /readyz and /metrics are"`
	AdminHosts  Names    `split_words:"true" desc:"names under which the console may be asked, beside localhost: crm.example.com,10.0.0.7"`
	DataDir     string   `split_words:"true" default:"data" desc:"folder of the embedded JetStream or the journal; held by one process only"`
	DrainDelay  Duration `split_words:"true" default:"0s" desc:"how long after SIGTERM the bridge is not ready but still answers"`
	LogLevel    Level    `split_words:"true" default:"info" desc:"debug, info, warn or error"`
	LogFormat   string   `split_words:"true" default:"auto" desc:"text, json, or auto: text on a terminal"`

	NATS NATS

	Delivery        string        `split_words:"true" default:"journal" desc:"with BRIDGE_NATS_URL: journal: answer when an event is in the local journal, and forward it at once; direct: answer on the remote's acknowledgement, no disk"`
	JournalMaxBytes Size          `split_words:"true" desc:"how much the journal holds; full: 503; unset: 10GiB, or 60% of the free disk if that is less"`
	Sync            embedded.Sync `split_words:"true" default:"commit" desc:"of the embedded stream or the journal: commit: group commit, one fsync for all answers in flight; server: one fsync for each event; a duration: an fsync that often, and none before an answer"`

	Stream           string       `split_words:"true" default:"CRM" desc:"name of the stream"`
	SubjectPrefix    string       `split_words:"true" default:"crm" desc:"first token of subjects"`
	StreamMaxAge     Duration     `split_words:"true" default:"720h" desc:"how long a stream that the bridge makes keeps events"`
	StreamMaxBytes   Size         `split_words:"true" desc:"how much a stream that the bridge makes keeps; unset: 10GiB, or 60% of the free disk, or of the account's free storage, if that is less"`
	StreamReplicas   int          `split_words:"true" default:"1" desc:"servers that keep each event"`
	StreamDuplicates Duration     `split_words:"true" desc:"how long a repeated id is recognised; unset: 2m, or for as long as a configured CRM repeats callbacks, up to 20m; never longer than BRIDGE_STREAM_MAX_AGE"`
	StreamApply      bool         `split_words:"true" default:"false" desc:"at this start changed variables may shrink streams or move them to other subjects"`
	EventMode        publish.Mode `split_words:"true" default:"structured" desc:"CloudEvents content mode: structured or binary"`
	EventPer         string       `split_words:"true" default:"callback" desc:"callback: one event for each callback; record: one for each record"`

	QuarantineMaxBytes Size `split_words:"true" desc:"how much quarantine keeps; full: 503 in place of 400; unset: 256MiB, or 2% of the free disk if that is less; with a remote 64MiB, or 5% of the account's free storage"`

	FieldsDrop ingest.Fields `split_words:"true" desc:"fields that no event, record or quarantined callback has: provider.Module.Field,…, with * for any"`
	FieldsHash ingest.Fields `split_words:"true" desc:"fields whose values are replaced by an HMAC under BRIDGE_FIELDS_KEY"`
	FieldsKey  string        `split_words:"true" secret:"true" desc:"key of BRIDGE_FIELDS_HASH, of at least 16 characters; with another key the same value has another HMAC"`

	RecordsHistory  Count `split_words:"true" default:"1" desc:"states kept of each record in <STREAM>_RECORDS, 1 to 64"`
	RecordsMaxBytes Size  `split_words:"true" desc:"how much the records keep; full: states wait, events do not; unset: 10GiB, or 8% of the free disk if that is less; with a remote 1GiB, or 10% of the account's free storage"`

	EraseOnRequest bool `split_words:"true" default:"false" desc:"a CRM's privacy deletion erases the record, as crm-bridge erase does"`

	MaxBody          Size            `split_words:"true" default:"1MiB" desc:"longest body of a callback; 413 beyond"`
	MaxInFlight      int             `split_words:"true" default:"2048" desc:"requests at once; 503 beyond"`
	MaxInFlightBytes Size            `split_words:"true" desc:"bytes of bodies held at once: beyond it the slowest unfinished ones are cut (408), then new ones are rejected (503); unset: a quarter of the memory limit (cgroup or GOMEMLIMIT), at most 256MiB"`
	MaxConnections   Count           `split_words:"true" desc:"connections open at once: idle ones are closed before a new one waits; unset: from the limits of open files and of memory, at most 8192"`
	Rate             Rate            `split_words:"true" desc:"authenticated callbacks a second for each source; 429 beyond"`
	AnswerTimeout    Duration        `split_words:"true" default:"5s" desc:"an event that is not stored by then is answered with 503"`
	Allow            ingest.Networks `split_words:"true" desc:"networks that may post, such as 10.0.0.0/8,192.0.2.7; empty: all"`
	TrustedProxies   ingest.Networks `split_words:"true" desc:"proxies whose X-Forwarded-For is trusted"`

	StateKey  string     `split_words:"true" secret:"true" desc:"encrypts what replicas share; without it nothing secret is written to a remote bucket"`
	PublicURL PublicURLs `split_words:"true" desc:"where the CRMs reach the bridge, such as https://crm.example.com; a list while it moves: subscriptions are made for the first, signatures may be of any"`

	Traces Traces       `ignored:"true"`
	Socket net.Listener `ignored:"true"` // that a service manager passed, in place of Listen; nil: none
}

// NATS are the variables of the embedded server and of a remote NATS.
type NATS struct {
	URL            string `split_words:"true" secret:"url" list:"true" desc:"a remote NATS; empty: the embedded server keeps the stream"`
	Listen         string `split_words:"true" default:"127.0.0.1:4222" desc:"where consumers reach the embedded server"`
	ListenCert     string `split_words:"true" desc:"certificate file (PEM) of the embedded server; reloaded when it changes"`
	ListenKey      string `split_words:"true" desc:"key file (PEM) of BRIDGE_NATS_LISTEN_CERT"`
	ListenUser     string `split_words:"true" desc:"user of the embedded server's consumers"`
	ListenPassword string `split_words:"true" secret:"true" desc:"password of BRIDGE_NATS_LISTEN_USER"`
	TLSFirst       bool   `split_words:"true" default:"false" desc:"the remote expects TLS before INFO (handshake_first)"`
	Creds          string `split_words:"true" desc:"credentials file for the remote"`
	Nkey           string `split_words:"true" desc:"NKey seed file for the remote"`
	User           string `split_words:"true" desc:"user for the remote"`
	Password       string `split_words:"true" secret:"true" desc:"password for the remote"`
	CA             string `split_words:"true" desc:"file of the certificate authorities of the remote (PEM)"`
	Cert           string `split_words:"true" desc:"client certificate file for the remote (PEM)"`
	Key            string `split_words:"true" desc:"key file (PEM) of BRIDGE_NATS_CERT"`
}

// Level is a level of the log.
type Level slog.Level

// Decode reads a level from an environment variable.
func (l *Level) Decode(value string) error {
	var level slog.Level
	if level.UnmarshalText([]byte(value)) != nil {
		return errors.New("must be debug, info, warn or error")
	}
	*l = Level(level)
	return nil
}

// Embedded reports whether the embedded server keeps the stream.
func (s Settings) Embedded() bool { return s.NATS.URL == "" }

// Journaled reports whether events go to a remote NATS by way of a local journal.
func (s Settings) Journaled() bool { return !s.Embedded() && s.Delivery == "journal" }

// Direct reports whether there is nothing local: events go straight to a remote NATS.
func (s Settings) Direct() bool { return !s.Embedded() && s.Delivery == "direct" }

// BaseURL is the first of BRIDGE_PUBLIC_URL; empty: not configured.
func (s Settings) BaseURL() string {
	if len(s.PublicURL) == 0 {
		return ""
	}
	return s.PublicURL[0]
}
