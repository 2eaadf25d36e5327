package simulate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// Spec says what a callback is about. What is empty is left to the source.
type Spec struct {
	Module, Operation, Channel string
	IDs                        []string // a new one for each callback where there is none
	Token                      string   // authenticates it in place of the configured secret
	Account                    string   // of which org it is: its name in events; empty: the first
	File                       string   // its body as it is; - for standard input
	ContentType                string   // of the file
}

// CallbackClient posts to a bridge at a base URL; it knows the certificate of the one on this machine.
func CallbackClient(s config.Settings, base string) (*http.Client, error) {
	if s.ListenCert == "" || base != s.CallbackURL() {
		return client.HTTP(nil), nil
	}
	config, err := bridge.Pinned(s.ListenCert)
	if err != nil {
		return nil, fmt.Errorf("BRIDGE_LISTEN_CERT: %w", err)
	}
	return client.HTTP(&http.Transport{TLSClientConfig: config}), nil
}

// Samples makes callbacks for changes as the flags describe them. The bridge's own secrets are in its data folder.
func Samples(source ingest.Source, o Spec, data string) func(i int) (ingest.Callback, error) {
	var at time.Time
	return func(int) (ingest.Callback, error) {
		if now := time.Now().UTC(); now.Sub(at) >= time.Millisecond {
			at = now
		} else {
			at = at.Add(time.Millisecond) // CRMs count in milliseconds: the same record in the same one would be a repeat
		}
		maker, ok := source.(ingest.Sampler)
		if !ok {
			return ingest.Callback{}, errors.New("no sample exists for this kind: give --file")
		}
		cb, err := maker.Sample(sampleChange(o, at), o.Token)
		if _, missing := datadir.ReadSecret(data, datadir.AdminSecret); err != nil && errors.Is(missing, fs.ErrNotExist) {
			err = fmt.Errorf("%w; or run it where BRIDGE_DATA_DIR (%s) is the folder of the running bridge", err, data)
		}
		return cb, err
	}
}

// sampleChange returns the change of a sample at a moment.
func sampleChange(o Spec, at time.Time) ingest.Change {
	change := ingest.Change{
		Module: o.Module, Operation: strings.ToLower(o.Operation[:min(1, len(o.Operation))]) + o.Operation[min(1, len(o.Operation)):],
		Channel: o.Channel, IDs: o.IDs, OccurredAt: at, ReceivedAt: at,
	}
	if len(change.IDs) == 0 {
		change.IDs = []string{strconv.FormatInt(5725767000000000000+rand.Int64N(1e12), 10)} //nolint:gosec // others may send at the same time, and none is a secret
	}
	return change
}

// FileSamples puts the content of a file, as it is, where a sample's own body would be.
func FileSamples(next func(int) (ingest.Callback, error), o Spec, stdin io.Reader) (func(int) (ingest.Callback, error), error) {
	read := func() ([]byte, error) { return os.ReadFile(o.File) }
	if o.File == "-" {
		read = func() ([]byte, error) { return io.ReadAll(stdin) }
	}
	body, err := read()
	if err != nil {
		return nil, fmt.Errorf("--file %s cannot be read: %w", o.File, config.WithoutPath(err))
	}
	return func(i int) (ingest.Callback, error) {
		cb, err := next(i)
		if cb.Body = body; cb.Header != nil {
			cb.Header.Set("Content-Type", o.ContentType)
		}
		return cb, err
	}, nil
}

// IsHTTP reports whether a text is an HTTP URL.
func IsHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}
