package console

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/records"
)

// RecordPages are the pages of records: those that are kept, and one record. Set the fields once.
type RecordPages struct {
	Providers []string                                                           // of the bridge
	Kept      func() []status.Record                                             // modules whose records are kept
	Accounts  func(ctx context.Context, k records.Key) ([]string, error)         // in which a record has states
	History   func(ctx context.Context, k records.Key) ([]publish.Stored, error) // its states, oldest first
	Missing   func(ctx context.Context, k records.Key) error                     // why a record has no state
}

// recordForm is what the form that finds a record asks for.
type recordForm struct {
	records.Key
	Providers []string
	Modules   []string // to choose from; the bridge may have states of others
}

func (p RecordPages) form(r *http.Request) recordForm {
	query := r.URL.Query()
	form := recordForm{Providers: p.Providers, Key: records.Key{
		Provider: query.Get("provider"), Module: strings.TrimSpace(query.Get("module")), Account: query.Get("account"), ID: strings.TrimSpace(query.Get("id")),
	}}
	for _, kept := range p.Kept() {
		form.Modules = append(form.Modules, kept.Module)
		form.Provider = cmp.Or(form.Provider, kept.Provider)
	}
	return form
}

// recordsView is what the template records shows.
type recordsView struct {
	Form      recordForm
	Kept      []status.Record
	Variables []string // that have records kept
}

// list shows which records are kept.
func (p RecordPages) list(r *http.Request) (any, error) {
	view := recordsView{Form: p.form(r), Kept: p.Kept()}
	for _, provider := range p.Providers {
		view.Variables = append(view.Variables, "BRIDGE_"+strings.ToUpper(provider)+"_RECORDS")
	}
	return view, nil
}
