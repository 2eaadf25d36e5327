package pipedrivetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lists are the entities by their list.
var lists = map[string]string{
	"deals": "deal", "deals/archived": "deal", "persons": "person", "organizations": "organization", "activities": "activity", "products": "product",
}

// Create makes a record, and returns its id.
func (c *CRM) Create(entity string, values object) (id string, err error) {
	c.mu.Lock()
	c.nextID++
	r := &record{id: strconv.Itoa(c.nextID), values: maps.Clone(values), updated: c.now()}
	var shown any = c.nextID
	if entity == "lead" {
		r.id = fmt.Sprintf("f3b2c1a0-0000-4000-8000-%012d", c.nextID)
		shown = r.id
	}
	r.values["id"], r.values["add_time"], r.values["update_time"] = shown, stamp(c.now()), stamp(c.now())
	if c.records == nil {
		c.records = map[string][]*record{}
	}
	c.records[entity] = append(c.records[entity], r)
	data := maps.Clone(r.values)
	c.mu.Unlock()
	return r.id, c.deliver(entity, "create", r.id, data, nil)
}

// Update changes values of a record.
func (c *CRM) Update(entity, id string, values object) error {
	c.mu.Lock()
	r := c.find(entity, id)
	previous := object{"update_time": r.values["update_time"]}
	for name, value := range values {
		previous[name], r.values[name] = r.values[name], value
	}
	r.updated, r.values["update_time"] = c.now(), stamp(c.now())
	data := maps.Clone(r.values)
	c.mu.Unlock()
	return c.deliver(entity, "change", id, data, previous)
}

// Delete deletes a record.
func (c *CRM) Delete(entity, id string) error {
	c.mu.Lock()
	r := c.find(entity, id)
	r.deleted, r.updated, r.values["update_time"] = true, c.now(), stamp(c.now())
	previous := maps.Clone(r.values)
	c.mu.Unlock()
	return c.deliver(entity, "delete", id, nil, previous)
}

// Archive archives a deal or a lead; no callback is sent.
func (c *CRM) Archive(entity, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.find(entity, id)
	r.archived, r.updated, r.values["update_time"], r.values["is_archived"] = true, c.now(), stamp(c.now()), true
}

func (c *CRM) find(entity, id string) *record {
	i := slices.IndexFunc(c.records[entity], func(r *record) bool { return r.id == id })
	return c.records[entity][i]
}

func stamp(at time.Time) string { return at.Format("2006-01-02T15:04:05Z") }

// listRecords is a list of version 2. Its cursor is the id after which the page begins.
func (c *CRM) listRecords(name string, query url.Values) (int, object) {
	entity, ok := lists[name]
	if !ok {
		return failed(http.StatusNotFound, "Unknown method .")
	}
	if query.Has("updated_until") && entity == "product" {
		return failed(http.StatusBadRequest, "updated_until is not allowed")
	}
	if strings.Count(query.Get("ids"), ",") >= cmp.Or(c.MostIDs, 100) {
		return failed(http.StatusBadRequest, "ids must contain at most 100 entity ids")
	}
	after, err := strconv.Atoi(cmp.Or(query.Get("cursor"), "0"))
	if err != nil {
		return failed(http.StatusBadRequest, "cursor is invalid")
	}
	var rows []object
	var cursor any
	for _, r := range c.records[entity] {
		number, _ := strconv.Atoi(r.id)
		if number <= after || r.deleted != (query.Get("status") == "deleted") || r.archived != (name == "deals/archived") || !changed(r, query) || !names(query, r.id) {
			continue
		}
		if len(rows) == c.limit(query) {
			cursor = fmt.Sprint(rows[len(rows)-1]["id"])
			break
		}
		rows = append(rows, r.values)
	}
	return http.StatusOK, object{"success": true, "data": rows, "additional_data": object{"next_cursor": cursor}}
}

// singles are the entities whose records are read one by one, by the path above the id.
var singles = map[string]string{
	"/v1/leads": "lead", "/v1/notes": "note", "/v1/users": "user", "/api/v2/pipelines": "pipeline", "/api/v2/stages": "stage",
	"/api/v2/projects": "project", "/api/v2/phases": "phase", "/api/v2/boards": "board", "/api/v2/tasks": "task",
}

// readRecord answers with a record; a deleted one says so, but for leads, of which nothing is left.
func (c *CRM) readRecord(entity, id string) (int, object) {
	i := slices.IndexFunc(c.records[entity], func(r *record) bool { return r.id == id })
	if i < 0 || c.records[entity][i].deleted && entity == "lead" {
		return failed(http.StatusNotFound, "Not found")
	}
	data := maps.Clone(c.records[entity][i].values)
	if c.records[entity][i].deleted {
		data["is_deleted"], data["active_flag"] = true, false
	}
	return http.StatusOK, object{"success": true, "data": data}
}

// names reports whether a query names a record, or no record at all.
func names(query url.Values, id string) bool {
	return !query.Has("ids") || slices.Contains(strings.Split(query.Get("ids"), ","), id)
}

// changed reports whether a record is in the span of a query.
func changed(r *record, query url.Values) bool {
	at := r.updated.Truncate(time.Second)
	since, err := time.Parse(time.RFC3339, query.Get("updated_since"))
	until, unbound := time.Parse(time.RFC3339, query.Get("updated_until"))
	return (err != nil || !at.Before(since)) && (unbound != nil || at.Before(until))
}

// limit returns how many records a page has.
func (c *CRM) limit(query url.Values) int {
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		limit = 100
	}
	if c.PageSize > 0 {
		limit = min(limit, c.PageSize)
	}
	return min(limit, 500)
}

// listLeads is a list of version 1, paged by offset.
func (c *CRM) listLeads(archived bool, query url.Values) (int, object) {
	if archived {
		query.Del("updated_since") // there is none
	}
	var all []*record
	for _, r := range c.records["lead"] {
		if !r.deleted && r.archived == archived && changed(r, query) {
			all = append(all, r)
		}
	}
	if query.Get("sort") == "update_time DESC" {
		slices.SortStableFunc(all, func(a, b *record) int { return b.updated.Compare(a.updated) })
	}
	start, _ := strconv.Atoi(query.Get("start"))
	start = min(start, len(all))
	end := min(start+c.limit(query), len(all))
	rows := []object{}
	for _, r := range all[start:end] {
		rows = append(rows, r.values)
	}
	page := object{"start": start, "limit": json.Number(fmt.Sprint(c.limit(query))), "more_items_in_collection": end < len(all)}
	return http.StatusOK, object{"success": true, "data": rows, "additional_data": object{"pagination": page}}
}
