package records

import "github.com/crm-bridge/crm-bridge/schemas"

// maxCauses bounds the events that a state names.
const maxCauses = 100

// batch is what a lane settles at once: a few events, and the records that they name.
type batch struct {
	causes []*cause
	items  map[string]*item // by the record's id
}

// add adds an event. Events come in the order of the stream, so the last about a record says whether it is still there.
func (b *batch) add(provider string, one *cause) {
	b.causes = append(b.causes, one)
	for _, id := range one.ids {
		i := b.items[id]
		if i == nil {
			i = &item{key: Key{provider, one.account, one.module, id}}
			b.items[id] = i
		}
		if i.causes = append(i.causes, one.of); len(i.causes) > maxCauses {
			i.causes = i.causes[1:]
		}
		i.newest = max(i.newest, one.of.Sequence)
		i.source, i.filled = one.source, one.origin == schemas.Backfill
		i.create = i.create || one.operation == schemas.Create
		i.note(one, id)
	}
}
