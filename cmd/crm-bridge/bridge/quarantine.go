package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/store"
	"github.com/crm-bridge/crm-bridge/transform"
)

// quarantine answers the command quarantine. It holds customers' data, and a drop is permanent.
type quarantine struct {
	store   *store.EventStore
	refused *refused
	crms    CRMs
	mapping *transform.Mapping
	accept  ingest.Accept
	settler
}

// routes returns what the command requests.
func (q *quarantine) routes() map[string]http.HandlerFunc {
	each := func(callback, refused settle) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { q.each(w, r, callback, refused) }
	}
	return map[string]http.HandlerFunc{
		"GET /quarantine":          each(q.list, q.refused.list),
		"GET /quarantine/show":     each(q.show, q.refused.show),
		"POST /quarantine/redrive": each(q.redrive, q.refused.redrive),
		"POST /quarantine/drop":    each(q.drop(q.store.Quarantine.Drop), q.drop(q.refused.Drop)),
	}
}

// keep puts an authenticated callback that cannot be parsed into quarantine; it implements ingest.Quarantine.
func (q *quarantine) keep(ctx context.Context, cb ingest.Callback, reason error) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	if crm, source := q.crms.Source(cb.Source, cb.Org); crm != nil {
		cb.Account = crm.AccountOf(source, cb)
	}
	body, err := q.mapping.Quarantine(id.String(), cb, reason)
	if err != nil {
		return "", err
	}
	return id.String(), q.store.Keep(ctx, cb.Source, id.String(), body)
}

func (q *quarantine) list(_ context.Context, _ *http.Request, kept publish.Kept) any {
	var was transform.Quarantined
	if err := json.Unmarshal(kept.Body, &was); err != nil {
		return Listed{ID: kept.ID, Reason: "cannot be read: " + terminal.Plainly(err), ReceivedAt: kept.At}
	}
	return Listed{
		ID: kept.ID, Source: was.Source, Account: was.Account, Reason: was.Reason, ReceivedAt: was.ReceivedAt, Bytes: len(was.Body) + len(was.BodyBase64),
	}
}

func (q *quarantine) show(_ context.Context, _ *http.Request, kept publish.Kept) any {
	return json.RawMessage(kept.Body)
}

// lineTimeout bounds the work on one quarantined callback and the writing of its line.
const lineTimeout = 30 * time.Second

// each answers with one JSON line for each callback that the query names: by id, or all, or all of an account.
func (q *quarantine) each(w http.ResponseWriter, r *http.Request, callback, refused settle) {
	id, account := r.URL.Query().Get("id"), r.URL.Query().Get("account")
	if id == "" && r.URL.Query().Get("all") != "true" {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "name a callback by id, or say all=true"})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	writer, encoder := http.NewResponseController(w), terminal.JSONEncoder(w)
	lines := 0
	each := func(do settle, kept publish.Kept) error {
		if account != "" && accountIn(kept) != account {
			return nil
		}
		// A client that disconnects must not leave a callback half settled.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), lineTimeout)
		defer cancel()
		line := do(ctx, r, kept)
		if err := errors.Join(writer.SetWriteDeadline(time.Now().Add(lineTimeout)), encoder.Encode(line)); err != nil {
			return err
		}
		if lines++; lines > 1 && r.Method == http.MethodGet {
			return nil // a list is long, and each line of it has cost nothing
		}
		return writer.Flush()
	}
	of := func(shelf shelf, do settle) error {
		if id == "" {
			return shelf.Each(r.Context(), func(kept publish.Kept) error { return each(do, kept) })
		}
		kept, found, err := shelf.Find(r.Context(), id)
		if err != nil || !found {
			return err
		}
		return each(do, kept)
	}
	err := of(q.refused, refused)
	if err == nil && (id == "" || lines == 0) {
		err = of(q.store.Quarantine, callback)
	}
	switch {
	case err != nil:
		_ = encoder.Encode(map[string]string{"error": terminal.Plainly(err)})
	case id != "" && lines == 0:
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "there is no callback " + id + " in quarantine"})
	}
}

// shelf is where callbacks and refused events wait.
type shelf interface {
	Each(ctx context.Context, f func(publish.Kept) error) error
	Find(ctx context.Context, id string) (kept publish.Kept, found bool, err error)
}

// redrive decodes a quarantined callback with today's code and publishes it as if it had just arrived, its original
// arrival time kept. It leaves quarantine only when its events are safe.
func (q *quarantine) redrive(ctx context.Context, r *http.Request, kept publish.Kept) any {
	q.settling.Lock()
	defer q.settling.Unlock()
	dryRun := isDryRun(r)
	result := Redriven{ID: kept.ID, DryRun: dryRun}
	if still, err := q.store.Quarantine.Holds(ctx, kept); err != nil || !still {
		result.Error = settledMeanwhile(err)
		return result
	}
	acks, err := q.redecode(ctx, kept, dryRun)
	if err == nil && !dryRun {
		q.log.Info("redriven from quarantine", "quarantine", kept.ID, "events", len(acks))
		if err = q.store.Quarantine.Drop(ctx, kept); err != nil {
			err = fmt.Errorf("its events are published, but it could not be removed from quarantine: %w", err)
		}
	}
	if result.Events = acks; err != nil {
		result.Error = terminal.Plainly(err)
	}
	return result
}

func (q *quarantine) redecode(ctx context.Context, kept publish.Kept, dryRun bool) ([]ingest.Ack, error) {
	var was transform.Quarantined
	if err := json.Unmarshal(kept.Body, &was); err != nil {
		return nil, err
	}
	crm, source := q.crms.Source(was.Source, was.Org)
	switch {
	case crm == nil && was.Org != "":
		return nil, fmt.Errorf("this bridge has no source %s of the org %s: name the org in BRIDGE_<CRM>_ACCOUNTS again", was.Source, was.Org)
	case crm == nil:
		return nil, fmt.Errorf("this bridge has no source %s", was.Source)
	}
	changes, err := source.Decode(was.Callback())
	if err != nil {
		return nil, crm.Explain(err)
	}
	for i := range changes {
		changes[i].TraceParent, changes[i].Org = was.TraceParent, was.Org
		if changes[i].GivenID = kept.ID; i > 0 {
			changes[i].GivenID += ":" + strconv.Itoa(i)
		}
	}
	if !dryRun {
		return q.accept(ctx, changes)
	}
	events, err := Pipeline{q.mapping, q.store}.events(changes...)
	var would []ingest.Ack
	for _, e := range events {
		would = append(would, ingest.Ack{Subject: q.store.Subject(e)})
	}
	return would, err
}
