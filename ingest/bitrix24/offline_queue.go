package bitrix24

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// batchSize is the number of rows in a batch, which is the portal's default.
const batchSize = 50

// queue empties the queue of one portal.
type queue struct {
	client *Client
	member string
	accept ingest.Accept
	clean  bool   // no earlier process can have reserved anything in it
	warn   func() // of a licence without reservation
	batch  batch

	table  table
	access credentials
}

func (q *queue) drain(ctx context.Context, store ingest.Store) error {
	var err error
	if q.table, err = openTable(); err != nil {
		return err
	}
	if q.access, err = q.client.portal(q.member).token.Get(ctx); err != nil {
		return err
	}
	if q.batch, err = loadBatch(ctx, store, q.member); err != nil {
		return err
	}
	if err := q.resume(ctx); err != nil {
		return err
	}
	if !q.clean {
		if err := q.adopt(ctx); err != nil {
			return err
		}
	}
	for last := json.RawMessage(nil); ; {
		rows, err := q.next(ctx)
		if err != nil || len(rows) == 0 {
			return err
		}
		if slices.Equal(rows[0], last) {
			return errors.New("the portal returns rows that it has cleared")
		}
		last = rows[0]
		if err := q.finish(ctx, rows); err != nil {
			return err
		}
		if len(rows) < batchSize || late(ctx) {
			return nil
		}
	}
}

// next reserves rows. After a lost answer it first adopts the rows that this answer may have reserved.
func (q *queue) next(ctx context.Context) (rows []json.RawMessage, err error) {
	lost := false
	err = retry.Policy{Attempts: 4}.Do(ctx, func() (again bool, after time.Duration, err error) {
		if lost {
			if err := q.adopt(ctx); err != nil {
				return false, 0, err
			}
		}
		rows, err = q.reserve(ctx)
		if lost = unsure(err); lost {
			q.client.log().Warn("an answer that may have reserved rows of the queue did not arrive", "portal", q.member, "error", err)
		}
		return lost, 0, err
	})
	return rows, err
}

// resume finishes the batch of an earlier Drain: for the same process_id the portal returns the same rows.
func (q *queue) resume(ctx context.Context) error {
	if len(q.batch.Rows) > 0 {
		return q.finish(ctx, q.batch.Rows)
	}
	var last []byte
	for q.batch.ProcessID != "" {
		answer, err := q.get(ctx, map[string]any{"clear": 0, "limit": batchSize, "process_id": q.batch.ProcessID})
		if err != nil {
			return err
		}
		if len(answer.Events) == 0 {
			return q.batch.forget(ctx)
		}
		if slices.Equal(last, answer.Events[0]) {
			return errors.New("the portal returns rows that it has cleared")
		}
		last = answer.Events[0]
		process := q.batch.ProcessID
		if err := q.finish(ctx, answer.Events); err != nil {
			return err
		}
		if len(answer.Events) == batchSize {
			q.batch.ProcessID = process // there may be more of it
		}
	}
	return nil
}

// reservedRow is a row of event.offline.list.
type reservedRow struct {
	ProcessID string `json:"PROCESS_ID"`
}

// adopt finishes rows that were reserved by an answer that never arrived, or by a bridge that died before it stored the process_id:
// nobody else would ever request them.
func (q *queue) adopt(ctx context.Context) error {
	for last := ""; ; {
		var rows []reservedRow
		err := q.client.call(ctx, q.member, "event.offline.list",
			map[string]any{"filter": map[string]any{">PROCESS_ID": "", "=ERROR": 0}, "order": map[string]any{"ID": "ASC"}}, &rows)
		if err != nil {
			return explain(err)
		}
		at := slices.IndexFunc(rows, func(row reservedRow) bool { return row.ProcessID != "" })
		if at < 0 {
			return nil
		}
		if q.batch.ProcessID = rows[at].ProcessID; q.batch.ProcessID == last {
			return errors.New("the portal lists rows that it has cleared")
		}
		last = q.batch.ProcessID
		if err := q.batch.save(ctx); err != nil {
			return err
		}
		if err := q.resume(ctx); err != nil {
			return err
		}
	}
}

// reserve reserves the next rows, and stores their process_id before it returns them.
func (q *queue) reserve(ctx context.Context) ([]json.RawMessage, error) {
	answer, err := q.get(ctx, map[string]any{"clear": 0, "limit": batchSize})
	if refusedWith(err, "WRONG_LICENSE") {
		q.warn()
		if answer, err = q.get(ctx, map[string]any{"clear": 1, "limit": batchSize}); err == nil {
			q.batch.Rows = bare(answer.Events)
		}
		if unsure(err) {
			q.client.log().Error("up to 50 offline events may be lost: the answer that held them did not arrive, "+
				"and the portal no longer has them", "portal", q.member)
		}
	}
	if err != nil || len(answer.Events) == 0 {
		return nil, err
	}
	if q.batch.ProcessID = answer.ProcessID; q.batch.ProcessID == "" && q.batch.Rows == nil {
		return nil, errors.New("event.offline.get returned rows without a process_id, which cannot be cleared")
	}
	return answer.Events, q.batch.save(ctx)
}

type offlineAnswer struct {
	ProcessID string            `json:"process_id"`
	Events    []json.RawMessage `json:"events"`
}

func (q *queue) get(ctx context.Context, params map[string]any) (offlineAnswer, error) {
	var answer offlineAnswer
	err := q.client.call(ctx, q.member, "event.offline.get", params, &answer)
	return answer, explain(err)
}

// finish has rows accepted, clears them from the portal, and forgets the batch. A row that is malformed, or is rejected permanently,
// stays in the portal's queue, marked with error=1 (event.offline.error).
func (q *queue) finish(ctx context.Context, rows []json.RawMessage) error {
	var changes []ingest.Change
	var of []queueRow // of each change
	var refused []queueRow
	for _, raw := range rows {
		row, change, err := decodeRow(raw, q.table, q.member, q.access)
		if err != nil {
			q.client.log().Error("an offline event is malformed", "portal", q.member, "row", row.ID, "event", row.Event, "reason", err)
			refused = append(refused, row)
			continue
		}
		changes, of = append(changes, change), append(of, row)
	}
	done, unwanted, err := q.accepted(ctx, changes, of)
	refused = append(refused, unwanted...)
	if err != nil {
		return err
	}
	if q.batch.ProcessID != "" {
		if err := q.clear(ctx, q.batch.ProcessID, done, refused); err != nil {
			return err
		}
	} else if len(refused) > 0 {
		q.client.log().Error("offline events are lost: the portal no longer has them", "portal", q.member, "rows", len(refused))
	}
	return q.batch.forget(ctx)
}

// accepted makes changes safe, and returns the rows of those that are rejected permanently apart from the others.
func (q *queue) accepted(ctx context.Context, changes []ingest.Change, rows []queueRow) (done, refused []queueRow, err error) {
	bad := map[int]bool{}
	_, err = q.accept.Each(ctx, changes, func(i int, err error) {
		bad[i] = true
		q.client.log().Error("an offline event was rejected permanently", "portal", q.member, "row", rows[i].ID, "event", rows[i].Event, "reason", err)
	})
	if err != nil {
		return nil, nil, err
	}
	for i, row := range rows {
		if bad[i] {
			refused = append(refused, row)
		} else {
			done = append(done, row)
		}
	}
	return done, refused, nil
}

// clear removes rows from the portal's queue, and marks those that were rejected.
func (q *queue) clear(ctx context.Context, process string, done, refused []queueRow) error {
	if len(refused) > 0 {
		messages := make([]string, len(refused))
		for i, row := range refused {
			messages[i] = row.MessageID
		}
		if err := q.client.call(ctx, q.member, "event.offline.error", map[string]any{"process_id": process, "message_id": messages}, nil); err != nil {
			return explain(err)
		}
	}
	if len(done) == 0 {
		return nil
	}
	ids := make([]any, len(done))
	for i, row := range done {
		ids[i] = row.ID
		if number, err := strconv.Atoi(row.ID); err == nil { // as the documents send it
			ids[i] = number
		}
	}
	return explain(q.client.call(ctx, q.member, "event.offline.clear", map[string]any{"process_id": process, "id": ids}, nil))
}
