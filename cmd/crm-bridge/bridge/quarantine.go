package bridge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
)

// waitings are what the command quarantine and the console's page list and settle. They hold customers' data, and a drop is permanent.
type waitings struct {
	callbacks *callbacks
	refused   *refused
}

// settle does something about one quarantined callback or rejected event, and returns the line to answer with.
type settle func(ctx context.Context, of waiting, kept publish.Kept, dryRun bool) any

// routes returns what the command requests.
func (q *waitings) routes() map[string]http.HandlerFunc {
	each := func(do settle) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { q.each(w, r, do) }
	}
	return map[string]http.HandlerFunc{
		"GET /quarantine":      each(func(_ context.Context, of waiting, kept publish.Kept, _ bool) any { return of.list(kept) }),
		"GET /quarantine/show": each(func(_ context.Context, of waiting, kept publish.Kept, _ bool) any { return of.show(kept) }),
		"POST /quarantine/redrive": each(func(ctx context.Context, of waiting, kept publish.Kept, dryRun bool) any {
			return of.redrive(ctx, kept, dryRun)
		}),
		"POST /quarantine/drop": each(func(ctx context.Context, of waiting, kept publish.Kept, _ bool) any { return of.drop(ctx, kept) }),
	}
}

// lineTimeout bounds the work on one quarantined callback and the writing of its line.
const lineTimeout = 30 * time.Second

// each answers with one JSON line for each callback that the query names: by id, or all, or all of an account.
func (q *waitings) each(w http.ResponseWriter, r *http.Request, do settle) {
	id, account := r.URL.Query().Get("id"), r.URL.Query().Get("account")
	if id == "" && r.URL.Query().Get("all") != "true" {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "name a callback by id, or say all=true"})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	writer, encoder := http.NewResponseController(w), terminal.JSONEncoder(w)
	lines, dryRun := 0, isDryRun(r)
	each := func(of waiting, kept publish.Kept) error {
		if account != "" && accountIn(kept) != account {
			return nil
		}
		// A client that disconnects must not leave a callback half settled.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), lineTimeout)
		defer cancel()
		line := do(ctx, of, kept, dryRun)
		if err := errors.Join(writer.SetWriteDeadline(time.Now().Add(lineTimeout)), encoder.Encode(line)); err != nil {
			return err
		}
		if lines++; lines > 1 && r.Method == http.MethodGet {
			return nil // a list is long, and each line of it has cost nothing
		}
		return writer.Flush()
	}
	err := q.named(r.Context(), id, each)
	switch {
	case err != nil:
		_ = encoder.Encode(map[string]string{"error": terminal.Plainly(err)})
	case id != "" && lines == 0:
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "there is no callback " + id + " in quarantine"})
	}
}

// isDryRun reports whether a request changes nothing.
func isDryRun(r *http.Request) bool { return r.URL.Query().Get("dry-run") == "true" }

// named calls do for the one with an id, if it waits, or for all if the id is empty.
func (q *waitings) named(ctx context.Context, id string, do func(of waiting, kept publish.Kept) error) error {
	if id != "" {
		of, kept, err := q.find(ctx, id)
		if err != nil || of == nil {
			return err
		}
		return do(of, kept)
	}
	for _, of := range []waiting{q.refused, q.callbacks} {
		if err := of.After(ctx, 0, func(kept publish.Kept) error { return do(of, kept) }); err != nil {
			return err
		}
	}
	return nil
}

// find returns the rejected event, or else the callback, with an id; nil: neither waits.
func (q *waitings) find(ctx context.Context, id string) (waiting, publish.Kept, error) {
	for _, of := range []waiting{q.refused, q.callbacks} {
		kept, found, err := of.Find(ctx, id)
		if err != nil {
			return nil, kept, err
		}
		if found {
			return of, kept, nil
		}
	}
	return nil, publish.Kept{}, nil
}
