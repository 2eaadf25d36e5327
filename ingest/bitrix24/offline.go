package bitrix24

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// Offline empties the queues that portals keep for the application (offline events). Set the fields once.
//
// Each batch is reserved (event.offline.get with clear=0), accepted, and only then cleared: an event reaches accept at least
// once, and under the same id each time. A portal deletes what has been reserved for 34 days. Where its licence has no
// reservation (the feature rest_offline_extended), reading deletes: what is lost between the portal and State is lost for
// good, so an event reaches accept at most once, and a warning says so.
type Offline struct {
	Client  *Client
	Portals []string // member_ids

	mu     sync.Mutex
	clean  map[string]bool      // portals in whose queue nothing of an earlier life can be reserved
	warned map[string]time.Time // when a licence without reservation was last warned of
}

// batchSize is how many rows are read at once, as many as the portal gives by itself.
const batchSize = 50

// warnAgain is how often a licence without reservation is warned of.
const warnAgain = 24 * time.Hour

// Drain implements ingest.Drainer. It ends early, between two batches, where ctx leaves little time. What fails in one
// portal is in the error; the others are emptied all the same.
func (o *Offline) Drain(ctx context.Context, state ingest.State, accept ingest.Accept) error {
	var failed error
	for _, member := range o.Portals {
		queue := &queue{offline: o, member: member, store: state.Shared, accept: accept}
		err := queue.drain(ctx)
		o.mu.Lock()
		if o.clean == nil {
			o.clean = map[string]bool{}
		}
		o.clean[member] = err == nil
		o.mu.Unlock()
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("queue of portal %s: %w", member, err))
		}
	}
	return failed
}

// queue is one portal's queue while it is emptied.
type queue struct {
	offline *Offline
	member  string
	store   ingest.Store
	accept  ingest.Accept
	table   table
	access  credentials
}

func (q *queue) drain(ctx context.Context) error {
	var err error
	if q.table, err = openTable(); err != nil {
		return err
	}
	if q.access, err = q.offline.Client.portal(q.member).token.Get(ctx); err != nil {
		return err
	}
	memory, err := q.load(ctx)
	if err != nil {
		return err
	}
	if err := q.resume(ctx, &memory); err != nil {
		return err
	}
	o := q.offline
	o.mu.Lock()
	clean := o.clean[q.member]
	o.mu.Unlock()
	if !clean {
		if err := q.adopt(ctx, &memory); err != nil {
			return err
		}
	}
	for last := json.RawMessage(nil); ; {
		rows, err := q.next(ctx, &memory)
		if err != nil || len(rows) == 0 {
			return err
		}
		if slices.Equal(rows[0], last) {
			return errors.New("the portal shows rows again that it has cleared")
		}
		last = rows[0]
		if err := q.finish(ctx, &memory, rows); err != nil {
			return err
		}
		if len(rows) < batchSize || late(ctx) {
			return nil
		}
	}
}

// next reserves rows. Where the answer is lost on its way it first looks for the rows that it was about.
func (q *queue) next(ctx context.Context, memory *batch) (rows []json.RawMessage, err error) {
	lost := false
	err = rest.Retry{Attempts: 4}.Do(ctx, func() (again bool, after time.Duration, err error) {
		if lost {
			if err := q.adopt(ctx, memory); err != nil {
				return false, 0, err
			}
		}
		rows, err = q.reserve(ctx, memory)
		if lost = unsure(err); lost {
			q.offline.Client.log().Warn("an answer that may have reserved rows of the queue did not arrive", "portal", q.member, "error", err)
		}
		return lost, 0, err
	})
	return rows, err
}

// resume finishes what an earlier Drain has begun: with the same process_id the portal shows the same rows again.
func (q *queue) resume(ctx context.Context, memory *batch) error {
	if len(memory.Rows) > 0 {
		return q.finish(ctx, memory, memory.Rows)
	}
	var last []byte
	for memory.ProcessID != "" {
		answer, err := q.get(ctx, map[string]any{"clear": 0, "limit": batchSize, "process_id": memory.ProcessID})
		if err != nil {
			return err
		}
		if len(answer.Events) == 0 {
			return q.forget(ctx, memory)
		}
		if slices.Equal(last, answer.Events[0]) {
			return errors.New("the portal shows rows again that it has cleared")
		}
		last = answer.Events[0]
		process := memory.ProcessID
		if err := q.finish(ctx, memory, answer.Events); err != nil {
			return err
		}
		if len(answer.Events) == batchSize {
			memory.ProcessID = process // there may be more of it
		}
	}
	return nil
}

// reservedRow is what matters here of a row of event.offline.list.
type reservedRow struct {
	ProcessID string `json:"PROCESS_ID"`
}

// adopt finds rows that were reserved by an answer that never arrived, or by a bridge that died before it could remember
// the process_id: nobody else would ever ask for them.
func (q *queue) adopt(ctx context.Context, memory *batch) error {
	for last := ""; ; {
		var rows []reservedRow
		err := q.offline.Client.Call(ctx, q.member, "event.offline.list",
			map[string]any{"filter": map[string]any{">PROCESS_ID": "", "=ERROR": 0}, "order": map[string]any{"ID": "ASC"}}, &rows)
		if err != nil {
			return explain(err)
		}
		at := slices.IndexFunc(rows, func(row reservedRow) bool { return row.ProcessID != "" })
		if at < 0 {
			return nil
		}
		if memory.ProcessID = rows[at].ProcessID; memory.ProcessID == last {
			return errors.New("the portal lists rows again that it has cleared")
		}
		last = memory.ProcessID
		if err := q.save(ctx, memory); err != nil {
			return err
		}
		if err := q.resume(ctx, memory); err != nil {
			return err
		}
	}
}

// reserve reads the next rows, and remembers how to find them again before it returns them.
func (q *queue) reserve(ctx context.Context, memory *batch) ([]json.RawMessage, error) {
	answer, err := q.get(ctx, map[string]any{"clear": 0, "limit": batchSize})
	if refusedWith(err, "WRONG_LICENSE") {
		q.warn()
		if answer, err = q.get(ctx, map[string]any{"clear": 1, "limit": batchSize}); err == nil {
			memory.Rows = bare(answer.Events)
		}
		if unsure(err) {
			q.offline.Client.log().Error("up to 50 offline events may be lost: the answer that held them did not arrive, "+
				"and the portal no longer has them", "portal", q.member)
		}
	}
	if err != nil || len(answer.Events) == 0 {
		return nil, err
	}
	if memory.ProcessID = answer.ProcessID; memory.ProcessID == "" && memory.Rows == nil {
		return nil, errors.New("event.offline.get gave rows without a process_id, so that they cannot be cleared")
	}
	return answer.Events, q.save(ctx, memory)
}

type offlineAnswer struct {
	ProcessID string            `json:"process_id"`
	Events    []json.RawMessage `json:"events"`
}

func (q *queue) get(ctx context.Context, params map[string]any) (offlineAnswer, error) {
	var answer offlineAnswer
	err := q.offline.Client.Call(ctx, q.member, "event.offline.get", params, &answer)
	return answer, explain(err)
}

// warn says, once a day, what a licence without reservation costs.
func (q *queue) warn() {
	o := q.offline
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.warned == nil {
		o.warned = map[string]time.Time{}
	}
	if last, ok := o.warned[q.member]; ok && time.Since(last) < warnAgain {
		return
	}
	o.warned[q.member] = time.Now()
	o.Client.log().Warn("the portal's licence cannot reserve offline events (rest_offline_extended), so reading them deletes them: "+
		"each is delivered at most once, and lost if the bridge or the connection fails while it is read", "portal", q.member)
}
