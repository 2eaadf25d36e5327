package console

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/records"
)

// recordView is what the template record shows.
type recordView struct {
	Form     recordForm
	Problem  string   // why there is nothing to show
	Accounts []string // to choose from, where the record exists in several
	Now      *recordState
	States   []recordState // newest first
}

// recordState is a state of a record with what it changed.
type recordState struct {
	terminal.RecordState
	First bool // the stream holds no state before it, or the record did not exist
}

// By returns who made the change, as it may be shown.
func (s recordState) By() string { return terminal.Visible(s.ChangedBy) }

// Problem says why it is not a state.
func (s recordState) Problem() string {
	if s.Err == nil {
		return ""
	}
	return sentence(s.Err)
}

// record shows a record: as it is now, and what it was.
func (p RecordPages) record(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), viewTimeout)
	defer cancel()
	view := recordView{Form: p.form(r)}
	if err := p.fill(ctx, &view); err != nil {
		view.Problem = sentence(err)
	}
	return view, nil
}

// fill fills in the states of the record that the form names.
func (p RecordPages) fill(ctx context.Context, view *recordView) error {
	key := view.Form.Key
	switch {
	case !slices.Contains(p.Providers, key.Provider):
		return errors.New("choose a provider")
	case ingest.CheckModule(key.Module) != nil:
		return errors.New("give the module, as the CRM's API writes it, such as Deals")
	case key.ID == "":
		return errors.New("give the id of a record")
	}
	accounts, err := p.Accounts(ctx, key)
	switch {
	case err != nil:
		return err
	case len(accounts) == 0:
		return p.Missing(ctx, key)
	case key.Account == "" && len(accounts) == 1:
		key.Account = accounts[0]
	case !slices.Contains(accounts, key.Account):
		view.Accounts = accounts
		return nil
	}
	return p.states(ctx, view, key)
}

// states fills in the states of a record.
func (p RecordPages) states(ctx context.Context, view *recordView, key records.Key) error {
	history, err := p.History(ctx, key)
	if err != nil {
		return err
	}
	if len(history) == 0 { // it was erased meanwhile
		return p.Missing(ctx, key)
	}
	for _, stored := range slices.Backward(history) {
		state := recordState{RecordState: terminal.ReadState(stored)}
		state.First = len(state.Before) == 0 || string(state.Before) == "null"
		view.States = append(view.States, state)
	}
	view.Form.Account, view.Now = key.Account, &view.States[0]
	return nil
}
