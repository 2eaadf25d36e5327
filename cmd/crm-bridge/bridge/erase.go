package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/erase"
	"github.com/crm-bridge/crm-bridge/publish/records"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/publish/store"
	"github.com/crm-bridge/crm-bridge/transform"
)

// eraser erases records in the streams that this replica reaches.
type eraser struct {
	store   *store.EventStore
	crms    CRMs
	stream  string // of events
	records []*records.Keeper
	replays *replay.Runner
	state   string // the stream that keeps replay jobs
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

// eraseFunc erases a record, and returns what was found in each stream.
type eraseFunc func(ctx context.Context, one order, progress eraseProgress) ([]erase.Found, error)

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
