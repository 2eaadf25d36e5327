package simulate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// Rehearsal answers callbacks in this process as a bridge would, and prints the events that it would publish.
type Rehearsal struct {
	URL string // base URL for callbacks

	out    io.Writer
	server *http.Server
	served chan struct{} // closed when it answers no more

	mu          sync.Mutex
	events      int   // of the last callback
	quarantined error // why the last callback, or a part of it, would be quarantined
	reason      string
	failed      error // to print
}

// OpenRehearsal begins to answer callbacks on a random loopback port. Close ends it.
func OpenRehearsal(s config.Settings, crms bridge.CRMs, out io.Writer) (*Rehearsal, error) {
	r := &Rehearsal{out: out, served: make(chan struct{})}
	way := bridge.Rehearsal{Settings: s, Secrets: client.OwnSecrets(s), CRMs: crms, Log: slog.New(reasons{r})}
	way.Published = func(events []publish.Event) { r.print(way, events) }
	way.Quarantined = func(reason error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.quarantined = cmp.Or(r.quarantined, reason)
	}
	handler, err := way.Handler()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return nil, err
	}
	r.URL, r.server = "http://"+listener.Addr().String(), &http.Server{Handler: handler, ReadHeaderTimeout: RoundtripTimeout}
	go func() {
		defer close(r.served)
		_ = r.server.Serve(listener) // until Close
	}()
	return r, nil
}

// Close ends it.
func (r *Rehearsal) Close() {
	_ = r.server.Close()
	<-r.served
}

// print prints events as lines of JSON: {"subject","event"}.
func (r *Rehearsal) print(way bridge.Rehearsal, events []publish.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		subject := way.Subject(e)
		line := struct {
			Subject string          `json:"subject"`
			Event   json.RawMessage `json:"event"`
		}{subject, publish.Message(subject, &e.Event, publish.Structured).Data}
		r.events++
		r.failed = cmp.Or(r.failed, terminal.JSONEncoder(r.out).Encode(line))
	}
}

// Refused is what a bridge would answer to a callback that it does not accept whole.
type Refused struct {
	Status int
	Why    string
}

// Error says it for a person.
func (r Refused) Error() string {
	if r.Status == http.StatusOK {
		return "a part of the callback would be quarantined: " + r.Why
	}
	return fmt.Sprintf("the answer would be %d: %s", r.Status, r.Why)
}

// Take has a callback answered, and prints its events. It returns why there is none though the callback is accepted; empty: there is one.
// The error is Refused if the callback, or a part of it, is not accepted.
func (r *Rehearsal) Take(ctx context.Context, cb ingest.Callback, source ingest.Source, token string) (none string, err error) {
	r.mu.Lock()
	r.events, r.quarantined, r.reason = 0, nil, ""
	r.mu.Unlock()
	request, err := asRequest(ctx, r.URL, cb, source, token)
	if err != nil {
		return "", err
	}
	response, err := client.HTTP(nil).Do(request)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.failed != nil:
		return "", r.failed
	case r.quarantined != nil && r.events > 0:
		return "", Refused{http.StatusOK, r.quarantined.Error()}
	case r.quarantined != nil:
		return "", Refused{response.StatusCode, "the callback would be quarantined: " + r.quarantined.Error()}
	case response.StatusCode != http.StatusOK:
		return "", Refused{response.StatusCode, cmp.Or(r.reason, http.StatusText(response.StatusCode))}
	case r.events == 0:
		return cmp.Or(r.reason, "the callback needs no event"), nil
	}
	return "", nil
}

// reasons is a log that keeps the last reason that was logged.
type reasons struct{ to *Rehearsal }

// Enabled implements slog.Handler.
func (reasons) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l reasons) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "reason" {
			l.to.mu.Lock()
			l.to.reason = attr.Value.String()
			l.to.mu.Unlock()
		}
		return true
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (l reasons) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l reasons) WithGroup(string) slog.Handler { return l }
