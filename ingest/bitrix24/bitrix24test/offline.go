package bitrix24test

import (
	"cmp"
	"crypto/md5" //nolint:gosec // as the portal does
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// queuedEvent is a row of the portal's queue (EventOfflineTable in the source).
type queuedEvent struct {
	id               int
	at               time.Time
	event, messageID string
	fields           map[string]string
	process          string // who has reserved it
	erroneous        bool
}

// enqueue writes an event into the queue: a row that nobody has reserved and that says the same is made younger instead.
func (p *Portal) enqueue(event string, fields map[string]string) {
	data, _ := json.Marshal(map[string]any{"FIELDS": fields})
	sum := md5.Sum([]byte(event + "|" + string(data))) //nolint:gosec // as the portal does
	id := hex.EncodeToString(sum[:])
	for i := range p.queue {
		if q := &p.queue[i]; q.messageID == id && q.process == "" {
			q.at = time.Now()
			return
		}
	}
	p.queueID++
	p.queue = append(p.queue, queuedEvent{id: p.queueID, at: time.Now(), event: event, messageID: id, fields: fields})
}

// Queued returns how many rows the queue holds, reserved ones too.
func (p *Portal) Queued() int {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	return len(p.queue)
}

// Erroneous returns how many rows were marked with event.offline.error.
func (p *Portal) Erroneous() int {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	n := 0
	for _, q := range p.queue {
		if q.erroneous {
			n++
		}
	}
	return n
}

// Enqueue puts an event into the queue whether or not it is bound.
func (p *Portal) Enqueue(event string, fields map[string]string) {
	p.crm.mu.Lock()
	defer p.crm.mu.Unlock()
	p.enqueue(event, fields)
}

func (p *Portal) offlineGet(params map[string]any) (int, any) {
	clearing := params["clear"] == nil || text(params["clear"]) != "0"
	switch {
	case !p.Admin:
		return http.StatusForbidden, restError("ACCESS_DENIED", "Access denied!")
	case !clearing && !p.Extended:
		return http.StatusForbidden, restError("WRONG_LICENSE", "This feature is not enabled for the current license: extended offline events handling")
	}
	limit := 50
	if n, err := strconv.Atoi(text(params["limit"])); err == nil && n > 0 {
		limit = n
	}
	slices.SortStableFunc(p.queue, func(a, b queuedEvent) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	process, given := text(params["process_id"]), params["process_id"] != nil
	if !given {
		process = p.crm.secret("process")
		marked := 0
		for i := range p.queue {
			if q := &p.queue[i]; q.process == "" && !q.erroneous && marked < limit {
				q.process = process
				marked++
			}
		}
	}
	events := []any{}
	for _, q := range p.queue {
		if q.process == process && !q.erroneous && len(events) < limit {
			events = append(events, q.row())
		}
	}
	if clearing && len(events) > 0 {
		p.queue = slices.DeleteFunc(p.queue, func(q queuedEvent) bool { return q.process == process })
	}
	var shown any
	if !clearing || given {
		shown = process
	}
	return result(map[string]any{"process_id": shown, "events": events})
}

func (q queuedEvent) row() map[string]any {
	row := map[string]any{
		"ID": strconv.Itoa(q.id), "TIMESTAMP_X": portalTime(q.at), "EVENT_NAME": q.event, "MESSAGE_ID": q.messageID,
		"EVENT_DATA": false, "EVENT_ADDITIONAL": map[string]any{"user_id": "1"},
	}
	if q.fields != nil {
		row["EVENT_DATA"] = map[string]any{"FIELDS": q.fields}
	}
	return row
}

// offlineList reads the queue without reserving: 50 rows from start on, by id.
func (p *Portal) offlineList(params map[string]any) (int, any) {
	if !p.Admin {
		return http.StatusForbidden, restError("ACCESS_DENIED", "Access denied!")
	}
	filter, _ := params["filter"].(map[string]any)
	rows := slices.Clone(p.queue)
	for name, value := range filter {
		at := strings.IndexFunc(name, func(r rune) bool { return r >= 'A' && r <= 'Z' })
		if at < 0 {
			return http.StatusBadRequest, restError("ERROR_ARGUMENT", "Filter field not allowed: "+name)
		}
		operation, field, want := name[:at], name[at:], text(value)
		keep := map[string]func(queuedEvent) bool{
			">PROCESS_ID": func(q queuedEvent) bool { return q.process > want },
			"=PROCESS_ID": func(q queuedEvent) bool { return q.process == want },
			">ID":         func(q queuedEvent) bool { n, _ := strconv.Atoi(want); return q.id > n },
			"=ERROR":      func(q queuedEvent) bool { return q.erroneous == (want == "1") },
		}[operation+field]
		if keep == nil {
			return http.StatusBadRequest, restError("ERROR_ARGUMENT", "Filter operation not allowed: "+name)
		}
		rows = slices.DeleteFunc(rows, func(q queuedEvent) bool { return !keep(q) })
	}
	slices.SortFunc(rows, func(a, b queuedEvent) int { return cmp.Compare(a.id, b.id) })
	start, _ := strconv.Atoi(text(params["start"]))
	total, shown := len(rows), []any{}
	for i := max(start, 0); i < min(len(rows), max(start, 0)+50); i++ {
		row := rows[i].row()
		row["PROCESS_ID"], row["ERROR"] = rows[i].process, "0"
		if rows[i].erroneous {
			row["ERROR"] = "1"
		}
		shown = append(shown, row)
	}
	status, body := result(shown)
	answer := body.(map[string]any)
	answer["total"] = total
	if next := max(start, 0) + 50; next < total {
		answer["next"] = next
	}
	return status, answer
}

func (p *Portal) offlineClear(params map[string]any) (int, any) {
	if params["process_id"] == nil {
		return http.StatusBadRequest, restError("ERROR_ARGUMENT", "Argument 'PROCESS_ID' is null or empty")
	}
	ids, some := params["id"].([]any)
	p.queue = slices.DeleteFunc(p.queue, func(q queuedEvent) bool {
		return q.process == text(params["process_id"]) && (!some || slices.ContainsFunc(ids, func(id any) bool { return text(id) == strconv.Itoa(q.id) }))
	})
	return result(true)
}

// offlineError marks rows: they leave the batch, and event.offline.get shows them only with error=1.
func (p *Portal) offlineError(params map[string]any) (int, any) {
	ids, ok := params["message_id"].([]any)
	if !ok || params["process_id"] == nil {
		return http.StatusBadRequest, restError("ERROR_ARGUMENT", "Value must be array of MESSAGE_ID values")
	}
	for i := range p.queue {
		q := &p.queue[i]
		if q.process == text(params["process_id"]) && slices.ContainsFunc(ids, func(id any) bool { return text(id) == q.messageID }) {
			q.process, q.erroneous = "", true
		}
	}
	return result(true)
}
