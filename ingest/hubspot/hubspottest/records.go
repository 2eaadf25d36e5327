package hubspottest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is a record.
type row struct {
	id                string
	properties        map[string]string
	created, modified time.Time
	archived          time.Time
}

// iso is how the API writes times.
const iso = "2006-01-02T15:04:05.000Z"

// watermarks are the properties with the time of the last modification.
func watermark(path string) string {
	if path == "contacts" {
		return "lastmodifieddate"
	}
	return "hs_lastmodifieddate"
}

func (r *row) json(path string, names []string) object {
	all := maps.Clone(r.properties)
	all["hs_object_id"], all[watermark(path)], all["createdate"] = r.id, r.modified.Format(iso), r.created.Format(iso)
	shown := object{}
	for _, name := range append(names, "hs_object_id", watermark(path), "createdate") {
		if value, ok := all[name]; ok {
			shown[name] = value
		} else {
			shown[name] = nil
		}
	}
	answer := object{"id": r.id, "properties": shown, "createdAt": r.created.Format(iso), "updatedAt": r.modified.Format(iso), "archived": !r.archived.IsZero()}
	if !r.archived.IsZero() {
		answer["archivedAt"] = r.archived.Format(iso)
	}
	return answer
}

// Create makes a record of an object, by its name in the API's paths and its objectTypeId, and returns its id.
func (c *CRM) Create(path, typeID string, properties map[string]string) string {
	return c.CreateAt(path, typeID, properties, time.Time{})
}

// CreateAt makes a record at a time; zero: now.
func (c *CRM) CreateAt(path, typeID string, properties map[string]string, at time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.IsZero() {
		at = c.now()
	}
	made := &row{id: c.id(), properties: maps.Clone(properties), created: at, modified: at}
	if c.records == nil {
		c.records = map[string][]*row{}
	}
	c.records[path] = append(c.records[path], made)
	c.changed("CREATE", typeID, made, properties)
	return made.id
}

// Update changes properties of a record.
func (c *CRM) Update(path, typeID, id string, properties map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.records[path] {
		if one.id == id {
			maps.Copy(one.properties, properties)
			one.modified = c.now()
			c.changed("UPDATE", typeID, one, properties)
		}
	}
}

// Archive deletes a record.
func (c *CRM) Archive(path, typeID, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.records[path] {
		if one.id == id {
			one.archived = c.now()
			c.changed("DELETE", typeID, one, nil)
		}
	}
}

// crm answers what is below /crm/.
func (c *CRM) crm(r *http.Request) answer {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/crm/"), "/")
	if len(parts) < 3 || parts[1] != version {
		return noSuchPath
	}
	switch path, rest := parts[2], strings.Join(parts[3:], "/"); {
	case parts[0] == "properties" && c.NoProperties:
		return problem(http.StatusForbidden, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call.")
	case parts[0] == "properties":
		return answer{http.StatusOK, object{"results": c.properties(path)}}
	case parts[0] != "objects":
	case r.Method == http.MethodPost && rest == "search":
		return c.search(r, path)
	case r.Method == http.MethodPost && rest == "batch/read":
		return c.batch(r, path)
	case r.Method == http.MethodGet && rest == "":
		return c.list(r, path)
	}
	return noSuchPath
}

func (c *CRM) properties(path string) []object {
	names := map[string]bool{"hs_object_id": true, "createdate": true, watermark(path): true}
	for _, one := range c.records[path] {
		for name := range one.properties {
			names[name] = true
		}
	}
	all := []object{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, object{"name": name, "type": "string"})
	}
	return all
}

// query is the body of a search.
type query struct {
	FilterGroups []struct{ Filters []condition }
	Sorts        []struct{ PropertyName, Direction string }
	Properties   []string
	Limit        int
	After        string
}

type condition struct{ PropertyName, Operator, Value string }

// value returns a property as a number.
func (r *row) value(path, name string) (int64, bool) {
	switch name {
	case watermark(path):
		return r.modified.UnixMilli(), true
	case "hs_object_id":
		n, err := strconv.ParseInt(r.id, 10, 64)
		return n, err == nil
	}
	return 0, false
}

func (r *row) meets(path string, conditions []condition) bool {
	for _, one := range conditions {
		have, known := r.value(path, one.PropertyName)
		want, err := strconv.ParseInt(one.Value, 10, 64)
		ok := map[string]bool{"GTE": have >= want, "GT": have > want, "LT": have < want, "LTE": have <= want, "EQ": have == want}[one.Operator]
		if !known || err != nil || !ok {
			return false
		}
	}
	return true
}

// search answers a search of one group and one order, as the bridge makes it.
func (c *CRM) search(r *http.Request, path string) answer {
	var q query
	if json.NewDecoder(http.MaxBytesReader(nil, r.Body, 3000)).Decode(&q) != nil || len(q.FilterGroups) != 1 || len(q.Sorts) != 1 || q.Limit > 200 {
		return problem(http.StatusBadRequest, "VALIDATION_ERROR", "There was a problem with the request.")
	}
	var found []*row
	for _, one := range c.records[path] {
		if one.archived.IsZero() && one.meets(path, q.FilterGroups[0].Filters) {
			found = append(found, one)
		}
	}
	slices.SortStableFunc(found, func(a, b *row) int {
		one, _ := a.value(path, q.Sorts[0].PropertyName)
		other, _ := b.value(path, q.Sorts[0].PropertyName)
		return int(one - other)
	})
	most := c.Crowded
	if most == 0 {
		most = 10_000
	}
	after, _ := strconv.Atoi(q.After)
	if after+q.Limit > most {
		return problem(http.StatusBadRequest, "VALIDATION_ERROR", fmt.Sprintf("paging past %d results is not supported", most))
	}
	return c.page(found, path, q.Properties, after, q.Limit, object{"total": len(found)})
}

// page is a page of rows.
func (c *CRM) page(rows []*row, path string, names []string, after, limit int, body object) answer {
	results := []object{}
	for _, one := range rows[min(after, len(rows)):min(after+limit, len(rows))] {
		results = append(results, one.json(path, names))
	}
	body["results"] = results
	if after+limit < len(rows) {
		body["paging"] = object{"next": object{"after": strconv.Itoa(after + limit)}}
	}
	return answer{http.StatusOK, body}
}

// list answers the list of archived records.
func (c *CRM) list(r *http.Request, path string) answer {
	var found []*row
	for _, one := range c.records[path] {
		if !one.archived.IsZero() == (r.URL.Query().Get("archived") == "true") {
			found = append(found, one)
		}
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	if limit < 1 || limit > 100 {
		return problem(http.StatusBadRequest, "VALIDATION_ERROR", "limit must be between 1 and 100")
	}
	return c.page(found, path, nil, after, limit, object{})
}

// batch answers the reading of records by their ids.
func (c *CRM) batch(r *http.Request, path string) answer {
	var ask struct {
		Inputs     []struct{ ID string }
		Properties []string
	}
	if json.NewDecoder(r.Body).Decode(&ask) != nil || len(ask.Inputs) > cmp.Or(c.MostIDs, 100) {
		return problem(http.StatusBadRequest, "VALIDATION_ERROR", "There was a problem with the request.")
	}
	results, missing := []object{}, []string{}
	for _, input := range ask.Inputs {
		at := slices.IndexFunc(c.records[path], func(one *row) bool { return one.id == input.ID && one.archived.IsZero() })
		if at < 0 {
			missing = append(missing, input.ID)
			continue
		}
		results = append(results, c.records[path][at].json(path, ask.Properties))
	}
	body := object{"status": "COMPLETE", "results": results}
	if len(missing) == 0 {
		return answer{http.StatusOK, body}
	}
	body["numErrors"], body["errors"] = 1, []object{{
		"status": "error", "category": "OBJECT_NOT_FOUND", "context": object{"ids": missing},
		"message": "Could not get some objects, they may be deleted or not exist. Check that ids are valid.",
	}}
	return answer{http.StatusMultiStatus, body}
}
