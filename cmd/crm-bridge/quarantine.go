package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

// adminHeader is the header that shows it.
const adminHeader = "X-Admin-Token"

// listed is a quarantined callback in a list: all but its body.
type listed struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`            // "refused" where the remote NATS refused it
	Subject    string    `json:"subject,omitempty"` // of what was refused
	Reason     string    `json:"reason"`
	ReceivedAt time.Time `json:"receivedAt,omitzero"`
	Bytes      int       `json:"bytes"`
}

// redriven is what became of a quarantined callback that was decoded again.
type redriven struct {
	ID     string       `json:"id"`
	Events []ingest.Ack `json:"events,omitempty"` // with a dry run only their subjects
	DryRun bool         `json:"dryRun,omitempty"`
	Error  string       `json:"error,omitempty"` // it is still in quarantine
}

// dropped is a quarantined callback that is gone.
type dropped struct {
	ID    string `json:"id"`
	Error string `json:"error,omitempty"`
}

// settle does something about one quarantined callback, or one refused event, and returns the line to answer with.
type settle struct {
	callback, refused func(ctx context.Context, r *http.Request, kept publish.Kept) any
}

// handleQuarantine answers the command of that name. What is in quarantine is customers' data, and dropping it is for
// good: so it takes the token of the data folder, or beside a remote NATS, where there is none, a peer on this machine.
func (b *bridge) handleQuarantine(mux *http.ServeMux) {
	each := func(do settle) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !b.trusts(r) {
				writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "run the command as the bridge's own user, with its BRIDGE_DATA_DIR"})
				return
			}
			b.eachKept(w, r, do)
		}
	}
	mux.HandleFunc("GET /quarantine", each(settle{b.list, b.listRefused}))
	mux.HandleFunc("GET /quarantine/show", each(settle{b.show, b.showRefused}))
	mux.HandleFunc("POST /quarantine/redrive", each(settle{b.redrive, b.redriveRefused}))
	mux.HandleFunc("POST /quarantine/drop", each(settle{b.drop(b.quarantine.Drop), b.drop(b.dropRefused)}))
}

func (b *bridge) list(_ context.Context, _ *http.Request, kept publish.Kept) any {
	var q transform.Quarantined
	if err := json.Unmarshal(kept.Body, &q); err != nil {
		return listed{ID: kept.ID, Reason: "cannot be read: " + terminal.Plainly(err), ReceivedAt: kept.At}
	}
	return listed{ID: kept.ID, Source: q.Source, Reason: q.Reason, ReceivedAt: q.ReceivedAt, Bytes: len(q.Body) + len(q.BodyBase64)}
}

func (b *bridge) show(_ context.Context, _ *http.Request, kept publish.Kept) any {
	return json.RawMessage(kept.Body)
}

func (b *bridge) drop(drop func(context.Context, publish.Kept) error) func(context.Context, *http.Request, publish.Kept) any {
	return func(ctx context.Context, _ *http.Request, kept publish.Kept) any {
		b.settling.Lock()
		defer b.settling.Unlock()
		if err := drop(ctx, kept); err != nil {
			return dropped{ID: kept.ID, Error: terminal.Plainly(err)}
		}
		b.log.Info("dropped from quarantine", "quarantine", kept.ID)
		return dropped{ID: kept.ID}
	}
}

// trusts reports whether a request comes from the bridge's own user.
func (b *bridge) trusts(r *http.Request) bool {
	if b.data != nil {
		return ingest.MatchesAny(r.Header.Get(adminHeader), []string{b.adminToken})
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	asked, _, failed := net.SplitHostPort(r.Host)
	if failed != nil {
		asked = r.Host
	}
	// A page in a browser on this machine can send requests here, but none with a header of its own choice.
	own := r.Header.Get(adminHeader) != "" && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == ""
	return err == nil && own && isLoopback(host) && isLoopback(asked) && r.Header.Get("X-Forwarded-For") == ""
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// lineTimeout bounds the work on one quarantined callback and the writing of its line.
const lineTimeout = 30 * time.Second

// eachKept answers with one JSON line for each callback that the query names: by id, or all.
func (b *bridge) eachKept(w http.ResponseWriter, r *http.Request, do settle) {
	id := r.URL.Query().Get("id")
	if id == "" && r.URL.Query().Get("all") != "true" {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "name a callback by id, or say all=true"})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	writer, encoder := http.NewResponseController(w), terminal.JSONEncoder(w)
	found := false
	each := func(do func(context.Context, *http.Request, publish.Kept) any, kept publish.Kept) error {
		if id != "" && kept.ID != id {
			return nil
		}
		found = true
		// Who goes away in between must not leave a callback half settled.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), lineTimeout)
		defer cancel()
		line := do(ctx, r, kept)
		if err := errors.Join(writer.SetWriteDeadline(time.Now().Add(lineTimeout)), encoder.Encode(line), writer.Flush()); err != nil {
			return err
		}
		if id != "" {
			return errEnough
		}
		return nil
	}
	err := b.eachRefused(r.Context(), func(kept publish.Kept) error { return each(do.refused, kept) })
	if err == nil {
		err = b.quarantine.Each(r.Context(), func(kept publish.Kept) error { return each(do.callback, kept) })
	}
	switch {
	case errors.Is(err, errEnough):
	case err != nil:
		_ = encoder.Encode(map[string]string{"error": terminal.Plainly(err)})
	case id != "" && !found:
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "there is no callback " + id + " in quarantine"})
	}
}

func settledMeanwhile(err error) string {
	if err != nil {
		return terminal.Plainly(err)
	}
	return "somebody else has settled it in the meantime"
}

func isDryRun(r *http.Request) bool { return r.URL.Query().Get("dry-run") == "true" }

// redrive decodes a quarantined callback with today's code and publishes it as if it had just arrived, its original
// arrival time kept. It leaves quarantine only when its events are safe.
func (b *bridge) redrive(ctx context.Context, r *http.Request, kept publish.Kept) any {
	b.settling.Lock()
	defer b.settling.Unlock()
	dryRun := isDryRun(r)
	result := redriven{ID: kept.ID, DryRun: dryRun}
	if still, err := b.quarantine.Holds(ctx, kept); err != nil || !still {
		result.Error = settledMeanwhile(err)
		return result
	}
	acks, err := b.redecode(ctx, kept, dryRun)
	if err == nil && !dryRun {
		b.log.Info("redriven from quarantine", "quarantine", kept.ID, "events", len(acks))
		if err = b.quarantine.Drop(ctx, kept); err != nil {
			err = fmt.Errorf("its events are published, but it is still here: %w", err)
		}
	}
	if result.Events = acks; err != nil {
		result.Error = terminal.Plainly(err)
	}
	return result
}

func (b *bridge) redecode(ctx context.Context, kept publish.Kept, dryRun bool) ([]ingest.Ack, error) {
	var q transform.Quarantined
	if err := json.Unmarshal(kept.Body, &q); err != nil {
		return nil, err
	}
	source := b.crms.source(q.Source)
	if source == nil {
		return nil, fmt.Errorf("this bridge has no source %s", q.Source)
	}
	changes, err := source.Decode(q.Callback())
	if err != nil {
		return nil, err
	}
	for i := range changes {
		changes[i].TraceParent = q.TraceParent
		if changes[i].GivenID = kept.ID; i > 0 {
			changes[i].GivenID += ":" + strconv.Itoa(i)
		}
	}
	if !dryRun {
		return b.accept(ctx, changes)
	}
	events, err := accepting{b.mapping, b.publisher}.events(changes...)
	var would []ingest.Ack
	for _, e := range events {
		would = append(would, ingest.Ack{Subject: b.publisher.Subject(e.Event)})
	}
	return would, err
}
