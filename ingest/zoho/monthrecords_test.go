package zoho_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// known is a record as it is, and as it is known.
type known struct {
	module, id     string
	changed, heard time.Time // whole seconds, by Zoho's clock
	gone, heardEnd bool
}

// change lets people work in the CRM.
func (m *month) change() {
	if m.began.IsZero() {
		return
	}
	for range m.rand.IntN(4) {
		module := []string{"Deals", "Contacts", "CustomModule1"}[m.rand.IntN(3)]
		r := &known{module: module, changed: m.crm.Now().Truncate(time.Second)}
		existing := m.existing(module)
		switch {
		case len(existing) == 0 || m.chance(3):
			r.id = create(m.t, m.crm, module)
			if other := m.records[module+r.id]; other != nil { // it was heard already
				other.changed = r.changed
			} else {
				m.records[module+r.id] = r
			}
		case m.chance(4):
			r = existing[m.rand.IntN(len(existing))]
			r.gone = true
			remove(m.t, m.crm, module, r.id)
		default:
			r = existing[m.rand.IntN(len(existing))]
			r.changed = m.crm.Now().Truncate(time.Second)
			edit(m.t, m.crm, module, r.id)
		}
	}
}

func (m *month) existing(module string) []*known {
	var list []*known
	for _, r := range m.records {
		if r.module == module && !r.gone {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *known) int { return strings.Compare(a.id, b.id) })
	return list
}

func (m *month) callback(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	cb := callback(body, r.URL.RawQuery)
	cb.At = m.crm.Now()
	if err := m.source.Verify(r.Context(), cb); err != nil {
		m.t.Error(err)
	}
	changes, err := m.source.Decode(cb)
	if err != nil {
		m.t.Error(err)
	}
	m.hear(changes)
	w.WriteHeader(http.StatusOK)
}

func (m *month) hear(changes []ingest.Change) {
	for _, change := range changes {
		at := change.OccurredAt
		if at.IsZero() {
			at = change.ReceivedAt
		}
		key := change.Module + change.IDs[0]
		if m.records[key] == nil {
			m.records[key] = &known{module: change.Module, id: change.IDs[0]}
		}
		r := m.records[key]
		if r.heard.Before(at) {
			r.heard = at
		}
		r.heardEnd = r.heardEnd || change.Operation == "delete"
	}
}

func (m *month) checkKnown() {
	for _, r := range m.records {
		if r.gone != r.heardEnd || !r.gone && r.heard.Before(r.changed) {
			m.t.Errorf("%s %s: changed %s, heard %s; deleted %t, heard %t", r.module, r.id, r.changed, r.heard, r.gone, r.heardEnd)
		}
	}
	if len(m.records) < 10 {
		m.t.Error("nothing happened in the CRM")
	}
}
