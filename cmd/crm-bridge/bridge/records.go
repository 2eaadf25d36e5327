package bridge

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/records"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

// openRecords returns what keeps records, one for each provider that has modules to keep. It makes their stream.
func openRecords(ctx context.Context, b *parts, mapping *transform.Mapping, registry prometheus.Registerer) (all []*records.Keeper, err error) {
	var providers []string
	for _, crm := range b.CRMs {
		if keepsRecords(crm) && !slices.Contains(providers, crm.Provider) {
			providers = append(providers, crm.Provider)
		}
	}
	if len(providers) == 0 {
		return nil, nil
	}
	stream, err := b.Store.Records(ctx)
	if err != nil {
		return nil, err
	}
	table := &records.Table{
		Stream: stream.Stream, Prefix: b.Settings.SubjectPrefix, Mode: b.Settings.EventMode, Schema: mapping.Schema(schemas.RecordFamily), Ensure: stream.Ensure, Commit: stream.Commit,
	}
	metrics := records.NewMetrics(registry)
	for _, provider := range providers {
		of := newRecordsOf(b.CRMs.OfProvider(provider), mapping)
		one := &records.Keeper{
			Provider: provider, Modules: of.modules(), Stream: b.Settings.Stream, Prefix: b.Settings.SubjectPrefix, Reach: b.Store.Reach, Table: table,
			Reader: of.reader, Whole: of.crms[0].Whole, RecordID: of.crms[0].RecordID, Clean: of.clean, Metrics: metrics, Log: b.Log,
		}
		all = append(all, one)
	}
	return all, nil
}

func keepsRecords(crm *ingest.CRM) bool { return crm.Reader != nil && len(crm.KeptModules) > 0 }

// recordsOf are the orgs of a provider whose records are kept.
type recordsOf struct {
	crms    CRMs
	mapping transform.Mapping // of values: its schemas allow any
}

// newRecordsOf returns the orgs of a provider. Their mapping has the masks and secrets of another, but the schemas of events do not hold
// for what is only read: they require what a listed record has, such as the method that has listed it.
func newRecordsOf(crms CRMs, mapping *transform.Mapping) recordsOf {
	values := *mapping
	values.Schemas = schemas.Set{crms[0].RecordsLabel(): nil}
	return recordsOf{crms, values}
}

// modules returns the modules that any of the orgs keeps.
func (r recordsOf) modules() (all []string) {
	for _, crm := range r.crms {
		all = append(all, crm.KeptModules...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// of returns the org of an account; nil: there is none.
func (r recordsOf) of(account string) *ingest.CRM {
	if found := r.crms.OfAccount(account); len(found) > 0 {
		return found[0]
	}
	return nil
}

func (r recordsOf) reader(account, module string) ingest.Reader {
	crm := r.of(account)
	if crm == nil || crm.Reader == nil || !slices.Contains(crm.KeptModules, module) {
		return nil
	}
	return crm.Reader
}

// clean returns what may be stored of values that were read: what an event with them has.
func (r recordsOf) clean(account, module string, values json.RawMessage) (json.RawMessage, error) {
	const id = "0"
	crm := r.of(account)
	events, err := r.mapping.Events(ingest.Change{
		Source: crm.RecordsLabel(), Provider: crm.Provider, Org: crm.Org, Account: account, Module: module, Operation: schemas.Edit, NativeOperation: schemas.Edit,
		IDs: []string{id}, Collection: "/" + crm.Provider, ReceivedAt: time.Now(), Origin: ingest.Repair, Values: map[string]json.RawMessage{id: values}, NativeBody: values,
	})
	if err != nil {
		return nil, err
	}
	var of struct {
		Values map[string]json.RawMessage `json:"values"`
	}
	if err := json.Unmarshal(events[0].Data, &of); err != nil {
		return nil, err
	}
	return of.Values[id], nil
}
