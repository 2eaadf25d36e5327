package bridge

import (
	"context"
	"encoding/json"
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
	store   *store.EventStore
	crms    CRMs
	stream  string // of events
	records []*records.Keeper

	erasing sync.Mutex // one record at a time
}

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
	found, err := e.erase(r.Context(), record, isDryRun(r), query.Get("foreign") == "true", nil, func(stream string, read int, part float64) {
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
	case record.ID == "":
		return fmt.Errorf("the record has no id")
	}
	return ingest.CheckModule(record.Module)
}

// erase erases a record, but for its events of the operations in keep, and returns what was found in each stream.
func (e *eraser) erase(ctx context.Context, record erase.Record, dryRun, foreign bool, keep []string, progress func(string, int, float64)) ([]erase.Found, error) {
	e.erasing.Lock()
	defer e.erasing.Unlock()
	holdings, err := e.store.Holdings(ctx)
	if err != nil {
		return nil, err
	}
	of := &erase.Eraser{
		Record: record, Foreign: foreign, Progress: progress, Names: erase.Names{Callback: e.callback, RecordID: e.crms.CRM(record.Provider).RecordID, Keep: keep},
	}
	if !dryRun {
		of.Before = func(ctx context.Context) error { return e.forget(ctx, record) }
	}
	for _, one := range holdings {
		of.Parts = append(of.Parts, &erase.Part{Stream: one.Stream, Reach: one.Reach, Subjects: subjectsOf[one.Kind], Erased: one.Erased, Settled: one.Settled})
	}
	return of.Run(ctx, dryRun)
}

// subjectsOf are the subjects of messages that may name a record. Streams may hold some of an earlier BRIDGE_SUBJECT_PREFIX.
var subjectsOf = map[store.Kind]func(erase.Record) []string{
	store.Events:  func(r erase.Record) []string { return []string{"*." + r.Provider + "." + r.Module + ".*"} },
	store.Replays: func(r erase.Record) []string { return []string{"*.*." + r.Provider + "." + r.Module + ".*"} },
	store.States:  func(r erase.Record) []string { return []string{records.Filter(records.Key(r))} },
}

// forget has no state of a record written any more from events that are stored now.
func (e *eraser) forget(ctx context.Context, record erase.Record) error {
	for _, keeper := range e.records {
		if keeper.Provider != record.Provider {
			continue
		}
		conn, err := e.store.Reach()
		if err != nil {
			return err
		}
		last, err := conn.LastSequence(ctx, e.stream)
		if err != nil {
			return err
		}
		keeper.Forget(records.Key(record), last)
	}
	return nil
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
			return of, true
		}
	}
	of.Text = textsOf(was)
	return of, true
}

// namedIn returns the records of changes.
func namedIn(crm *ingest.CRM, changes []ingest.Change) []erase.Record {
	named := []erase.Record{}
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
	for _, text := range []string{was.Body, string(was.BodyBase64), was.RawQuery, was.Path} {
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
