package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/erase"
	"github.com/crm-bridge/crm-bridge/publish/records"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/store"
	"github.com/crm-bridge/crm-bridge/transform"
)

// EraseProgress says how far an erasure is.
type EraseProgress struct {
	Reading string  `json:"reading"` // the stream
	Done    int     `json:"done"`    // messages
	Part    float64 `json:"part"`    // of the stream, from 0 to 1
}

// eraser answers the command erase.
type eraser struct {
	store    *store.EventStore
	crms     CRMs
	stream   string // of events
	records  []*records.Keeper
	replays  *replay.Runner
	state    string    // the stream that keeps replay jobs
	replicas *replicas // with which it shares a remote NATS; nil: the embedded server has none
	requests []*erasures

	erasing sync.Mutex // one record at a time
}

// newEraser returns what erases records of an open bridge.
func newEraser(b *parts) *eraser {
	e := &eraser{store: b.Store, crms: b.CRMs, stream: b.Settings.Stream, records: b.records, replays: b.Replays, state: "KV_" + b.Settings.StateBucket()}
	if !b.Settings.Embedded() {
		e.replicas = newReplicas(SharedState(b.Settings, b.Store.Reach), b.Log)
	}
	if b.Settings.EraseOnRequest {
		e.requests = requestsOf(b, e)
	}
	return e
}

// run carries out the orders of other replicas, and what CRMs ask for, until ctx ends.
func (e *eraser) run(ctx context.Context, all *sync.WaitGroup) {
	if e.replicas != nil {
		all.Go(func() { e.replicas.follow(ctx, e) })
	}
	for _, one := range e.requests {
		all.Go(func() { one.run(ctx) })
	}
}

// order says what is erased, and how.
type order struct {
	Record  erase.Record `json:"record"`
	DryRun  bool         `json:"dryRun,omitempty"`
	Foreign bool         `json:"foreign,omitempty"` // in streams that the bridge did not make, too
	Keep    []string     `json:"keep,omitempty"`    // operations whose events stay
}

// eraseProgress is called while streams are read, with the messages read and the part of the stream.
type eraseProgress func(stream string, read int, part float64)

// routes returns what the command requests.
func (e *eraser) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"POST /erase": e.answer}
}

// answer erases the record that the query names, and answers with a line for each stream. Before, and while streams are read, it sends
// lines of progress. It stops when the client leaves: the same request then erases the rest.
func (e *eraser) answer(w http.ResponseWriter, r *http.Request) {
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

// check returns an error if a record cannot be one.
func (e *eraser) check(record erase.Record) error {
	switch {
	case e.crms.CRM(record.Provider) == nil:
		return fmt.Errorf("there is no provider %q; there are %s", record.Provider, Enumerate(e.crms.Providers(), "and"))
	case ingest.CheckRecordID(record.ID) != nil:
		return errors.New("the id cannot be that of a record")
	}
	return ingest.CheckModule(record.Module)
}

// erase erases a record everywhere, and returns what was found in each stream.
func (e *eraser) erase(ctx context.Context, one order, progress eraseProgress) ([]erase.Found, error) {
	e.erasing.Lock()
	defer e.erasing.Unlock()
	if e.replicas == nil {
		found, _, err := e.eraseIn(ctx, one, everywhere, progress)
		return found, err
	}
	return e.replicas.erase(ctx, e, one, progress)
}

// callback decodes a quarantined callback.
func (e *eraser) callback(body []byte) (of erase.Callback, ok bool) {
	var was transform.Quarantined
	if json.Unmarshal(body, &was) != nil {
		return of, false
	}
	crm, source := e.crms.Source(was.Source, was.Org)
	if crm == nil {
		if crm = e.crms.ofSource(was.Source); crm == nil {
			return of, false
		}
		source = nil // of an org that is not configured any more
	}
	of.Provider, of.Account = crm.Provider, was.Account
	if source != nil {
		if changes, err := source.Decode(was.Callback()); err == nil {
			of.Changes = namedIn(crm, changes)
		}
	}
	if of.Changes == nil {
		of.Text = textsOf(was)
	}
	return of, true
}

// namedIn returns the records of changes; nil: they name none.
func namedIn(crm *ingest.CRM, changes []ingest.Change) (named []erase.Record) {
	for _, change := range changes {
		for _, id := range change.IDs {
			if crm.RecordID != nil {
				id = crm.RecordID(change.Module, id, change.Values[id])
			}
			named = append(named, erase.Record{Provider: change.Provider, Account: change.Account, Module: change.Module, ID: id})
		}
	}
	return named
}

// textsOf returns what of a callback may have an id in it, as it is and without the encoding of forms.
func textsOf(was transform.Quarantined) (texts [][]byte) {
	for _, text := range []string{was.Body, string(was.BodyBase64), was.RawQuery} {
		texts = append(texts, []byte(text))
		if plain, err := url.QueryUnescape(text); err == nil && plain != text {
			texts = append(texts, []byte(plain))
		}
	}
	return texts
}

// ofSource returns a CRM that has sources of a label, for any org; nil: there is none.
func (c CRMs) ofSource(label string) *ingest.CRM {
	i := slices.IndexFunc(c, func(crm *ingest.CRM) bool {
		return slices.ContainsFunc(crm.Sources, func(source ingest.Source) bool { return source.Label() == label })
	})
	if i < 0 {
		return nil
	}
	return c[i]
}
