package bridge

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish/erase"
)

// erasing erases records everywhere: for the command erase, for other replicas, and for CRMs that ask for it.
type erasing struct {
	*eraser
	replicas *replicas // with which it shares a remote NATS; nil: the embedded server has none
	requests []*erasures

	one sync.Mutex // one record at a time
}

// newErasing returns what erases records of an open bridge.
func newErasing(b *parts) *erasing {
	e := &erasing{eraser: &eraser{store: b.Store, crms: b.CRMs, stream: b.Settings.Stream, records: b.records, replays: b.Replays, state: "KV_" + b.Settings.StateBucket()}}
	if !b.Settings.Embedded() {
		e.replicas = newReplicas(SharedState(b.Settings, b.Store.Reach), b.Log)
	}
	if b.Settings.EraseOnRequest {
		e.requests = requestsOf(b, e.eraser, e.erase)
	}
	return e
}

// run carries out the orders of other replicas, and what CRMs ask for, until ctx ends.
func (e *erasing) run(ctx context.Context, all *sync.WaitGroup) {
	if e.replicas != nil {
		all.Go(func() { e.replicas.follow(ctx, e.eraser) })
	}
	for _, one := range e.requests {
		all.Go(func() { one.run(ctx) })
	}
}

// EraseProgress says how far an erasure is.
type EraseProgress struct {
	Reading string  `json:"reading"` // the stream
	Done    int     `json:"done"`    // messages
	Part    float64 `json:"part"`    // of the stream, from 0 to 1
}

// routes returns what the command requests.
func (e *erasing) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"POST /erase": e.answer}
}

// answer erases the record that the query names, and answers with a line for each stream. Before, and while streams are read, it sends
// lines of progress. It stops when the client leaves: the same request then erases the rest.
func (e *erasing) answer(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	record := erase.Record{Provider: query.Get("provider"), Account: query.Get("account"), Module: query.Get("module"), ID: query.Get("id")}
	if err := e.check(record); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": terminal.Plainly(err)})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	writer, encoder := http.NewResponseController(w), terminal.JSONEncoder(w)
	write := func(line any) {
		_ = writer.SetWriteDeadline(time.Now().Add(lineTimeout))
		_ = encoder.Encode(line)
		_ = writer.Flush()
	}
	var said time.Time
	one := order{Record: record, DryRun: isDryRun(r), Foreign: query.Get("foreign") == "true"}
	found, err := e.erase(r.Context(), one, func(stream string, read int, part float64) {
		if time.Since(said) > time.Second/2 {
			said = time.Now()
			write(EraseProgress{stream, read, part})
		}
	})
	for _, one := range found {
		write(one)
	}
	if err != nil {
		write(map[string]string{"error": terminal.Plainly(err)})
	}
}

// erase erases a record everywhere, and returns what was found in each stream.
func (e *erasing) erase(ctx context.Context, one order, progress eraseProgress) ([]erase.Found, error) {
	e.one.Lock()
	defer e.one.Unlock()
	if e.replicas == nil {
		found, _, err := e.eraseIn(ctx, one, everywhere, progress)
		return found, err
	}
	return e.replicas.erase(ctx, e.eraser, one, progress)
}
